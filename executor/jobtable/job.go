package jobtable

import (
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A Phase of a job's life on the host; it never goes back.
type Phase int

const (
	Waiting Phase = iota // for a free worker
	Running
	Ended
)

// A Job is what the agent knows of one job, as long as it remembers it.
type Job struct {
	ID, Task, Host string
	issuedAt       time.Time
	notAfter       time.Time
	ReplyTo        string   // of its run; empty where only a cancel or a status has come
	digest         [32]byte // of its request
	Run            *wire.Run
	Secret         *wire.Secret // in memory alone, until it ends
	Signature      string       // of its statement, until it begins
	Agent          string       // the id under which it was accepted, and is answered for

	Issuer string // who it belongs to; empty: to everybody
	anyJob bool   // a cancel or status by one who may do that to any job

	waitsForInbox bool // it came from the inbox while that was being drained
	Phase         Phase
	AcceptedAt    time.Time
	StartedAt     time.Time
	Process       *process.Identity // while it runs
	Canceling     bool

	Output    []outputlog.Ref // output in the order it came, both streams
	Result    wire.Ended      // when it has ended, without the output
	Delivered bool            // an operator has it

	uncertain    bool      // it was canceled before it came, and may have run on another host
	retainedFrom time.Time // its end was noted by a clock that was ahead: when that was found

	record recordState
}

// OutputSize is the size of the output that was kept.
func (j *Job) OutputSize() (n int64) {
	for _, r := range j.Output {
		n += int64(r.Size)
	}
	return n
}

// State is the answer to a status while the job has not ended.
func (j *Job) State(now time.Time) *wire.State {
	s := &wire.State{
		Job: j.ID, Agent: j.Agent, State: wire.StateAccepted, Canceling: j.Canceling,
		AcceptedAt: j.AcceptedAt.UnixMilli(), At: now.UnixMilli(),
	}
	if j.Phase == Running {
		s.State, s.StartedAt = wire.StateRunning, j.StartedAt.UnixMilli()
	}
	return s
}

// startBy is when a waiting job's time is up. It is valid as long as its
// statement says, counted from when it came where the operator's clock is ahead.
func (j *Job) startBy(tolerance time.Duration) time.Time {
	byHere, byOperator := j.AcceptedAt.Add(j.notAfter.Sub(j.issuedAt)), j.notAfter.Add(tolerance)
	if byHere.Before(byOperator) {
		return byHere
	}
	return byOperator
}

// endedAt is from when on a result is kept.
func (j *Job) endedAt() time.Time {
	if !j.retainedFrom.IsZero() {
		return j.retainedFrom
	}
	return time.UnixMilli(j.Result.EndedAt)
}
