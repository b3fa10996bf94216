package executor

import (
	"time"

	"warren/internal/agent/trust"
	"warren/internal/wire"
)

// An order is a request that is verified: what the journal is asked to do, and
// by whom.
type order struct {
	*wire.Request
	issuer string    // who signed; empty: nobody had to
	anyJob bool      // the issuer may ask for and cancel others' jobs
	run    *wire.Run // of a run: what is to be executed
	inbox  bool      // it has waited in this agent's inbox, and nobody else has had it
}

// doubted reports whether an order for a name may have reached another host before
// this agent took the name. What the inbox delivers has reached nobody else.
func (o *order) doubted() bool { return !o.inbox }

func orderOf(v *trust.Decision) *order {
	return &order{Request: v.Request, issuer: v.Issuer.ID(), anyJob: v.AnyJob, run: v.Run}
}

// hearsay: of this job nothing but a cancel or a status has come, whose word
// counts for its own issuer alone. Otherwise whoever captured a job's id could
// end it before it arrives.
func (j *job) hearsay() bool { return j.replyTo == "" && !j.anyJob }

// key is the job's place in the journal. Of one id there may be hearsay of
// several issuers beside the job itself.
func (j *job) key() string {
	if j.hearsay() {
		return j.issuer + "/" + j.id
	}
	return j.id
}

// taskOf names the job's task. It is its issuer's own: another's task of the
// same id is another task.
func (j *job) taskOf() string { return j.issuer + "/" + j.task }

// placeholder is a job of which nothing but a cancel or a status has come.
func (b *journal) placeholder(r *order, now time.Time) *job {
	of := r.Statement.Of
	return &job{
		id: r.Leaf.Job, task: r.Statement.Task, host: r.Leaf.Host, acceptedAt: now,
		issuedAt: time.UnixMilli(of.IssuedAt), notAfter: time.UnixMilli(of.NotAfter),
		issuer: r.issuer, anyJob: r.anyJob, agent: b.agent,
	}
}
