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

	VerifyOf string // id of the task whose rollout this one verifies; "" is none
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
	Archives  bool   // the standard output of a job is an archive of files: of a collect
	Hosts     int    // number of jobs; the store's Add counts them itself
	Driver    string // lease of the process that sends it; the store's Add sets it
	Cancel    bool   // the operator has asked to cancel it
	Pause     bool   // the operator has asked to pause its rollout
	// Statement is the signed text, for the record. The store's Add stores it;
	// readers leave it empty, Store.Statement returns it.
	Statement string
	Summary   Summary

	// As the Spec has it.
	WhenOnline bool
	Fanout     int
	Rollout    *Rollout
	RetryOf    string
	VerifyOf   string

	Script, Stdin *Content // of its run; nil: none
}

// A Control is what an operator asks of the process that drives a task.
type Control string

// The controls.
const (
	ControlCancel Control = "cancel"
	ControlPause  Control = "pause" // its rollout
)

// Done reports whether every job has an outcome, and the rollout has verified its last stage or
// was stopped. Lost counts, though a late answer may still replace it.
func (t *Task) Done() bool { return t.Summary.Ended == t.Hosts && !t.Rollout.Unverified() }

// Quiescent reports whether nothing more happens to the task by itself: it is done, or its
// rollout is paused and each job that may have been sent has an outcome.
func (t *Task) Quiescent() bool {
	return t.Done() || t.Rollout.Pause() != nil && t.Summary.Ended >= t.Rollout.Released()
}

// OK reports whether the command exited with code 0 on each host, and its rollout has verified
// the last stage without a failure of a verify command.
func (t *Task) OK() bool {
	return t.Done() && t.Summary.OK == t.Hosts && t.Rollout.Verified() && t.Rollout.VerifyFailed() == 0
}

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
