package jobtable

import (
	"time"

	"warren/internal/wire"
)

// An VerifiedRequest is a request that is verified: what the journal is asked to do, and
// by whom.
type VerifiedRequest struct {
	*wire.Request
	Issuer    string    // who signed; empty: nobody had to
	AnyJob    bool      // the issuer may ask for and cancel others' jobs
	Run       *wire.Run // of a run: what is to be executed
	FromInbox bool      // it has waited in this agent's inbox, and nobody else has had it
}

// mayHaveReachedOthers reports whether an order for a name may have reached another host before
// this agent took the name. What the inbox delivers has reached nobody else.
func (o *VerifiedRequest) mayHaveReachedOthers() bool { return !o.FromInbox }

// isPlaceholder: of this job nothing but a cancel or a status has come, whose word
// counts for its own issuer alone. Otherwise whoever captured a job's id could
// end it before it arrives.
func (j *Job) isPlaceholder() bool { return j.ReplyTo == "" && !j.anyJob }

// key is the job's place in the journal. Of one id there may be hearsay of
// several issuers beside the job itself.
func (j *Job) key() string {
	if j.isPlaceholder() {
		return j.Issuer + "/" + j.ID
	}
	return j.ID
}

// taskKey names the job's task. It is its issuer's own: another's task of the
// same id is another task.
func (j *Job) taskKey() string { return j.Issuer + "/" + j.Task }

// newPlaceholder is a job of which nothing but a cancel or a status has come.
func (b *Table) newPlaceholder(r *VerifiedRequest, now time.Time) *Job {
	of := r.Statement.Of
	return &Job{
		ID: r.Leaf.Job, Task: r.Statement.Task, Host: r.Leaf.Host, AcceptedAt: now,
		issuedAt: time.UnixMilli(of.IssuedAt), notAfter: time.UnixMilli(of.NotAfter),
		Issuer: r.Issuer, anyJob: r.AnyJob, Agent: b.agent,
	}
}
