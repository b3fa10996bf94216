package model

import (
	"time"

	"warren/internal/wire"
)

// A State is how far a job has come. A job never goes back.
type State string

// The states, in order.
const (
	Pending  State = "pending"  // not sent yet
	Sent     State = "sent"     // published, no answer yet
	Accepted State = "accepted" // the agent has it
	Running  State = "running"
	Ended    State = "ended"
)

// States are all states in their order.
var States = []State{Pending, Sent, Accepted, Running, Ended}

// Rank is the state's place in States; that of an unknown one is 0.
func (s State) Rank() int {
	for i, t := range States {
		if s == t {
			return i
		}
	}
	return 0
}

// A Wait is what is known about a job without an outcome beside its state. The
// numbers are in the database.
type Wait uint8

const (
	NoWait         Wait = iota
	WaitInbox           // its request is in the host's inbox
	WaitCancel          // a cancel is in the host's inbox, too
	RequestRefused      // the host refused a status or a cancel about it; Reason is why
	WaitNewAgent        // its agent is new and did not run it; Reason is when it is sent again
)

// A Job is one (task, host) pair.
type Job struct {
	ID     string // UUIDv4
	Task   string
	Host   string
	Index  int    // position in the task
	Digest []byte // SHA-256 of its request body, which a rejection must name
	Signed Signed // when that was signed

	State    State
	Wait     Wait
	Agent    string // id of the agent that answered
	Outcome  wire.Outcome
	ExitCode int // with outcome exited
	Signal   string
	Reason   string    // detail of its outcome or its Wait, in the words of the agent or the operator; never compared
	Accepted time.Time // by the agent's clock; zero where not known
	Started  time.Time
	Finished time.Time

	Killed int // processes of the command that the agent ended
	Left   int // processes of the command that live on: with exited and signaled its background processes, else those that could not be ended

	Stdout, Stderr Output // the account; Store.Output returns the bytes
	CodePage       int    // encoding of the output on Windows; 0 where the agent did not send one
}

// Signed is the validity of the statement that a job comes with: the task's, or
// that of a later stage or window, which is signed when it begins.
type Signed struct{ Issued, NotAfter time.Time }

// Duration is how long the command ran; 0 where it did not.
func (j *Job) Duration() time.Duration {
	if j.Started.IsZero() || j.Finished.IsZero() {
		return 0
	}
	return max(0, j.Finished.Sub(j.Started)) // the agent's clock may have been set back
}

// Incomplete reports whether the job has an outcome but not all of the output
// that its agent kept: some may still come, unless it is Gone.
func (j *Job) Incomplete() bool {
	return j.State == Ended && (j.Stdout.Missing() > 0 || j.Stderr.Missing() > 0)
}

// Missing is how many bytes of output may still come of a job that has an outcome.
func (j *Job) Missing() (bytes int64) {
	if j.State != Ended {
		return 0
	}
	for _, o := range []Output{j.Stdout, j.Stderr} {
		if !o.Gone {
			bytes += o.Missing()
		}
	}
	return bytes
}

// OK reports whether the command exited with code 0.
func (j *Job) OK() bool { return j.State == Ended && j.Outcome == wire.Exited && j.ExitCode == 0 }

// Taken reports whether the agent has the job, or finds it in its inbox.
func (j *Job) Taken() bool {
	switch j.State {
	case Sent:
		return j.Wait == WaitInbox
	case Accepted, Running:
		return true
	case Ended:
		switch j.Outcome {
		case wire.Exited, wire.Signaled, wire.TimedOut, wire.FailedToStart, wire.Interrupted:
			return true
		}
	}
	return false
}
