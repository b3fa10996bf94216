package executor

import (
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

func orderOf(v *trust.Verdict) *order {
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

// known is the job that an order is about, where one is known that the order's
// issuer may hear of.
func (b *journal) known(o *order) *job {
	if j := b.jobs[o.Leaf.Job]; j != nil {
		return j
	}
	return b.jobs[o.issuer+"/"+o.Leaf.Job]
}

// foreign reports whether an order is about a job of somebody else's that its
// issuer may neither run, nor cancel, nor ask for.
func (b *journal) foreign(o *order) bool {
	j := b.known(o)
	if j == nil || j.issuer == o.issuer {
		return false
	}
	if o.Statement.Type == wire.TypeRun {
		return j.replyTo != "" // else a cancel by one who may: it never runs
	}
	return !o.anyJob
}

func (b *journal) remember(j *job) {
	b.jobs[j.key()] = j
	b.issued[j.issuer]++
	if j.replyTo != "" && b.tasks[j.taskOf()] == nil {
		b.tasks[j.taskOf()] = j
	}
}

// taskOf names the job's task. It is its issuer's own: another's task of the
// same id is another task.
func (j *job) taskOf() string { return j.issuer + "/" + j.task }
