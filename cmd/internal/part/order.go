package part

import "time"

// The orders. RunAll is for those who give commands; the others every part
// understands.
const (
	RunAll  = "run"     // Command on Hosts, Times; answer with Runs
	Usage   = "usage"   // answer with Used
	Fresh   = "fresh"   // let the peak of the memory begin anew
	Profile = "profile" // write a profile of the processor to File, until the next order of this kind
)

// An Order tells a part what to do.
type Order struct {
	Do      string `json:"do"`
	Hosts   int    `json:"hosts,omitzero"`   // the first of the fleet's
	Command string `json:"command,omitzero"` // for the shell of each host
	Times   int    `json:"times,omitzero"`   // one after the other
	File    string `json:"file,omitzero"`    // of a profile; empty ends it
}

// An Answer is what a part says when an order is carried out.
type Answer struct {
	Runs []Run  `json:"runs,omitempty"`
	Used Used   `json:"used,omitzero"`
	Text string `json:"text,omitzero"` // in the first answer, what others must know of the part
	Err  string `json:"err,omitzero"`
}

// A Run is one command for all hosts, as who gave it saw it.
type Run struct {
	First time.Duration `json:"first"` // until the first result
	Last  time.Duration `json:"last"`  // until the last
	Lost  int           `json:"lost"`  // results that are not what they should be
}

// Used is what a process has used of the machine. What the system does not tell
// is 0.
type Used struct {
	CPU  time.Duration `json:"cpu"`  // of its life, children that have ended included
	Peak int64         `json:"peak"` // bytes of memory, since its start or the last Fresh
}
