package model

import (
	"maps"
	"time"

	"warren/internal/wire"
)

// A Spec is what an operator asks for: one command on a set of hosts.
type Spec struct {
	Command      string // as the operator typed it, for people: audit logs, lists
	Run          wire.Run
	Secret       *wire.Secret  // sent and never stored, without its salt; nil is none
	Hosts        []string      // expanded, in their normal form, without repetition; at least one
	StartTimeout time.Duration // how long a host may take to start it

	// WhenOnline: an offline host finds it in its inbox when it is back. A host that is
	// online has at most wire.DefaultMaxValidity of StartTimeout: without an inbox, it
	// accepts no request that is valid for longer.
	WhenOnline bool
	Fanout     int // most hosts in flight; 0 is all

	Rollout *Rollout // nil: no stages
	RetryOf string   // id of the task that this one repeats for some of its hosts
}

// A Task is one Spec under way or done.
type Task struct {
	ID       string // UUIDv4
	Command  string
	Operator string // user name
	Key      string // fingerprint of the key that signed it; empty: it is unsigned
	Created  time.Time
	NotAfter time.Time     // the last time at which a host may start it
	Timeout  time.Duration // 0 is none
	// MaxOutput is how many bytes of each stream of a job the store keeps: what
	// the task's run allows (wire.Run.MaxOutput). 0 keeps no output.
	MaxOutput int64
	Hosts     int    // number of jobs; the store's Add counts them itself
	Driver    string // lease of the process that sends it; the store's Add sets it
	Cancel    bool   // the operator has asked to cancel it
	// Statement is the signed text, for the record. The store's Add stores it;
	// readers leave it empty, Store.Statement returns it.
	Statement string
	Summary   Summary

	// As the Spec has it.
	WhenOnline bool
	Fanout     int
	Rollout    *Rollout
	RetryOf    string

	Script, Stdin *Content // of its run; nil: none
}

// Done reports whether every job has an outcome. Lost counts, though a late
// answer may still replace it.
func (t *Task) Done() bool { return t.Summary.Ended == t.Hosts }

// A Summary counts a task's jobs.
type Summary struct {
	Hosts    int
	Ended    int
	OK       int                  // exited with code 0
	Outcomes map[wire.Outcome]int // exited counts the codes other than 0
	Rev      int64                // grows with each change of the jobs; only the store's Watch sets it
}

// NewSummary is the summary of so many jobs none of which has ended.
func NewSummary(hosts int) Summary { return Summary{Hosts: hosts, Outcomes: map[wire.Outcome]int{}} }

// Add counts n jobs of a kind (Job.Kind); a negative n takes them out again. A kind
// with no jobs left is not in Outcomes.
func (s *Summary) Add(kind string, n int) {
	s.Ended += n
	if kind == StatusOK {
		s.OK += n
		return
	}
	o := wire.Outcome(kind)
	if s.Outcomes[o] += n; s.Outcomes[o] == 0 {
		delete(s.Outcomes, o)
	}
}

// Equal reports whether both count the same.
func (s Summary) Equal(t Summary) bool {
	return s.Hosts == t.Hosts && s.Rev == t.Rev && s.Ended == t.Ended && s.OK == t.OK && maps.Equal(s.Outcomes, t.Outcomes)
}

// Clone shares nothing with s.
func (s Summary) Clone() Summary {
	s.Outcomes = maps.Clone(s.Outcomes)
	return s
}
