package part

import "time"

// The orders. RunAll is for those who give commands; the others every part
// understands.
const (
	RunAll  = "run"     // Command on Hosts, Times; answer with Runs
	Up      = "up"      // answer with Up
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
	Keep    int64  `json:"keep,omitzero"`    // bytes of output; 0 is the default
	File    string `json:"file,omitzero"`    // of a profile; empty ends it
}

// An Answer is what a part says when an order is carried out.
type Answer struct {
	Runs []Run `json:"runs,omitempty"`
	Used Used  `json:"used,omitzero"`
	Up   int   `json:"up,omitzero"` // agents that are connected

	Known Known  `json:"known,omitzero"` // in the first answer
	Err   string `json:"err,omitzero"`
}

// Known is what others must know of a part.
type Known struct {
	Key  string `json:"key,omitzero"`  // file of the key by which agents know their operator
	PIDs []int  `json:"pids,omitzero"` // of agents that are processes of their own
	Log  string `json:"log,omitzero"`  // file of what in-process agents say
}

// A Run is one command for all hosts, as who gave it saw it.
type Run struct {
	First time.Duration `json:"first"`         // until the first result
	Last  time.Duration `json:"last"`          // until the last
	Lost  int           `json:"lost"`          // results that are not what they should be
	Kept  int64         `json:"kept,omitzero"` // bytes of output
}

// Used is what a process has used of the machine. What the system does not tell
// is 0.
type Used struct {
	CPU  time.Duration `json:"cpu"`  // of its life, children that have ended included
	Peak int64         `json:"peak"` // bytes of memory, since its start or the last Fresh
}
