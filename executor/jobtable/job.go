package jobtable

import (
	"time"

	"warren/executor/outputlog"
	"warren/executor/stats"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A Phase is a part of a job's life on the host. It never goes back.
type Phase int

const (
	Waiting Phase = iota // for a free worker
	Running
	Ended
)

// A Job is what the agent knows of one job. Only a Table changes it.
type Job struct {
	ID, Task, Host string
	issuedAt       time.Time
	notAfter       time.Time
	ReplyTo        string   // of its run; empty in a placeholder
	digest         [32]byte // of its request
	Run            *wire.Run
	Secret         *wire.Secret // never written; dropped when the job ends
	Signature      string       // of its statement; dropped when the job begins
	Agent          string       // the agent's id when it accepted the job; replies have it

	Issuer string // whose it is; empty: everybody's
	anyJob bool   // a placeholder by an issuer who may cancel any job

	waitsForInbox bool // it came from the inbox before that was read to its end
	Phase         Phase
	AcceptedAt    time.Time
	StartedAt     time.Time
	CodePage      int               // of its output; on Windows
	Process       *process.Identity // while it runs
	Canceling     bool

	Output    []outputlog.Ref // output in the order it came, both streams
	pieces    int             // of Output that do not follow each other
	gone      []string        // streams of which a part is not in Output
	Result    wire.Ended      // when it has ended, without the output
	Delivered bool            // an operator has it
	Refusal   stats.Reason    // why this table rejected it; empty: it did not

	uncertain    bool      // it was canceled before it came, and may have run on another host
	retainedFrom time.Time // its end was noted by a clock that was ahead: when that was found

	record recordState
}

// isPlaceholder reports whether only a cancel or a status of the job has come, by an issuer
// who may not act on others' jobs. The placeholder counts for this issuer alone:
// otherwise an attacker who captures a job's id could end the job before it arrives.
func (j *Job) isPlaceholder() bool { return j.ReplyTo == "" && !j.anyJob }

// key is the job's key in the table. Beside the job itself there may be placeholders of
// several issuers with the same id.
func (j *Job) key() string {
	if j.isPlaceholder() {
		return j.Issuer + "/" + j.ID
	}
	return j.ID
}

// taskKey is the key of the job's task. Tasks of different issuers are different, even if
// they have the same id.
func (j *Job) taskKey() string { return j.Issuer + "/" + j.Task }

// OutputSize returns the size of the output that was kept.
func (j *Job) OutputSize() (n int64) {
	for _, r := range j.Output {
		n += int64(r.Size)
	}
	return n
}

// State returns the answer to a status request about a job that has not ended.
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

// startBy returns when a waiting job expires. It is valid as long as its statement says,
// counted from its arrival if the operator's clock is ahead.
func (j *Job) startBy(tolerance time.Duration) time.Time {
	byHere, byOperator := j.AcceptedAt.Add(j.notAfter.Sub(j.issuedAt)), j.notAfter.Add(tolerance)
	if byHere.Before(byOperator) {
		return byHere
	}
	return byOperator
}

// endedAt returns the time from which the retention of the result counts.
func (j *Job) endedAt() time.Time {
	if !j.retainedFrom.IsZero() {
		return j.retainedFrom
	}
	return time.UnixMilli(j.Result.EndedAt)
}
