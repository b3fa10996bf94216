package executor

import (
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A phase of a job's life on the host; it never goes back.
type phase int

const (
	waiting phase = iota // for a free worker
	running
	ended
)

// A job is what the agent knows of one job, as long as it remembers it.
type job struct {
	id, task, host string
	issuedAt       time.Time
	notAfter       time.Time
	replyTo        string   // of its run; empty where only a cancel or a status has come
	digest         [32]byte // of its request
	run            *wire.Run
	secret         *wire.Secret // in memory alone, until it ends
	signature      string       // of its statement, until it begins
	agent          string       // the id under which it was accepted, and is answered for

	issuer string // who it belongs to; empty: to everybody
	anyJob bool   // a cancel or status by one who may do that to any job

	inbox      bool // it came from the inbox while that was being drained
	phase      phase
	acceptedAt time.Time
	startedAt  time.Time
	process    *process.Identity // while it runs
	canceling  bool

	kept   []outputlog.Ref // output in the order it came, both streams
	result wire.Ended      // when it has ended, without the output
	told   bool            // an operator has it

	uncertain bool      // it was canceled before it came, and may have run on another host
	keptFrom  time.Time // its end was noted by a clock that was ahead: when that was found

	record recordState
}

// keptBytes is the size of the output that was kept.
func (j *job) keptBytes() (n int64) {
	for _, r := range j.kept {
		n += int64(r.Size)
	}
	return n
}

// state is the answer to a status while the job has not ended.
func (j *job) state(now time.Time) *wire.State {
	s := &wire.State{
		Job: j.id, Agent: j.agent, State: wire.StateAccepted, Canceling: j.canceling,
		AcceptedAt: j.acceptedAt.UnixMilli(), At: now.UnixMilli(),
	}
	if j.phase == running {
		s.State, s.StartedAt = wire.StateRunning, j.startedAt.UnixMilli()
	}
	return s
}

// beginBy is when a waiting job's time is up. It is valid as long as its
// statement says, counted from when it came where the operator's clock is ahead.
func (j *job) beginBy(tolerance time.Duration) time.Time {
	byHere, byOperator := j.acceptedAt.Add(j.notAfter.Sub(j.issuedAt)), j.notAfter.Add(tolerance)
	if byHere.Before(byOperator) {
		return byHere
	}
	return byOperator
}

// endedAt is from when on a result is kept.
func (j *job) endedAt() time.Time {
	if !j.keptFrom.IsZero() {
		return j.keptFrom
	}
	return time.UnixMilli(j.result.EndedAt)
}
