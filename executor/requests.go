package executor

import (
	"context"
	"time"

	"warren/executor/jobtable"
	"warren/executor/stats"
	"warren/internal/agent/trust"
	"warren/internal/wire"
)

// deliver handles one message. Nothing looks at it before it is authorized. It is
// acknowledged after the journal has what it changes.
func (l *loop) deliver(work context.Context, d delivery, now time.Time) {
	unacknowledged := d
	unacknowledged.Body = nil // there may be many, while the journal cannot be written
	l.journal.acks = append(l.journal.acks, unacknowledged)
	l.names.setClock(now)
	v := l.gate.authorize(d, now)
	switch {
	case v.Request == nil:
		l.gate.logRefusal(&v, now, "queue", d.queue, "bytes", len(d.Body))
		l.stats.CountRefusal(refused(&v, reasonOf(&v), v.Refusal, now))
	case !v.Verified, v.OtherFleet: // the job may be another's: the table is not asked
		l.refuse(&v, reasonOf(&v), now)
	default:
		l.handle(work, &v, d, now)
	}
}

// handle does what a verified request asks for, or answers why not.
func (l *loop) handle(work context.Context, v *trust.Decision, d delivery, now time.Time) {
	r := &jobtable.VerifiedRequest{
		Request: v.Request, Issuer: v.Issuer.ID(), AnyJob: v.AnyJob, Run: v.Run,
		FromInbox: d.inbox && !d.Redelivered,
	}
	typ := v.Request.Statement.Type
	if !d.inbox {
		l.stats.NoteClock(time.UnixMilli(v.Request.Statement.IssuedAt), now)
	}
	reason := reasonOf(v)
	aboutJob := typ != wire.TypeCheck && typ != wire.TypeRights && typ != wire.TypeDiscover
	if aboutJob && l.table.OwnedByOther(r) {
		if v.Refusal == "" {
			v.Refusal, reason = "the job is another operator's", stats.OtherOperator
		}
		l.refuse(v, reason, now)
		return
	}
	if typ == wire.TypeRun {
		l.accept(v, r, d.held, now)
		return
	}
	if (typ == wire.TypeCancel || typ == wire.TypeStatus) && v.Refusal == "" && !l.table.HasRoom(r, now) {
		v.Refusal, reason = "journal full: this host does not know the job, and cannot remember another", stats.JournalFull
	}
	if v.Refusal != "" && (typ != wire.TypeCheck || v.MayBeCaptured()) {
		l.refuse(v, reason, now)
		return
	}
	l.gate.decisions.Verdict(v, now)
	switch typ {
	case wire.TypeCheck:
		l.checks.start(work, v, now)
	case wire.TypeRights:
		l.replies.answer(v.Request, l.cfg.granted(v, now))
	case wire.TypeCancel:
		l.cancel(r, now)
	case wire.TypeStatus:
		have, _ := d.Headers[wire.HeaderHave].(int64)
		l.status(r, have, now)
	case wire.TypeDiscover:
		l.replies.answer(v.Request, l.hello(now))
	}
}

// refuse answers a request that has no effect. Anybody may have captured it and can send it
// again and again, so unless that is impossible, the answer has a rate limit. An
// unauthenticated sender learns no reason; if it proves that it holds a key whose rights
// have ended, it may learn that. A discover has no job to answer about.
func (l *loop) refuse(v *trust.Decision, why stats.Reason, now time.Time) {
	l.stats.CountRefusal(refused(v, why, v.Refusal, now))
	l.gate.decisions.Verdict(v, now)
	logged := l.gate.logRefusal(v, now)
	reason := v.Refusal
	if !v.Verified {
		reason = wire.NotPermitted
	}
	limited := !v.Verified || v.MayBeCaptured()
	if r := v.Request; r.Statement.Type != wire.TypeDiscover && (logged || !limited) {
		if v.Grant != nil {
			l.replies.answer(r, l.cfg.granted(v, now))
			return
		}
		l.replies.answer(r, &wire.Ended{
			Job: r.Leaf.Job, Outcome: wire.Rejected, Reason: reason, EndedAt: now.UnixMilli(), Request: r.Digest[:],
		})
	}
}

// accept adds the job of a run to the table. A refused job stays refused.
func (l *loop) accept(v *trust.Decision, r *jobtable.VerifiedRequest, held bool, now time.Time) {
	why := reasonOf(v)
	if v.Refusal == "" {
		v.Refusal, why = unsupportedReason(v.Run), stats.Unsupported
	}
	j, result := l.table.Accept(r, v.Refusal, held, now)
	switch result {
	case jobtable.MayHaveRun:
		l.forgotten(r.Request, r.Statement.IssuedAt, now)
		return
	case jobtable.NoRoom: // the operator sends it again
		l.stats.CountRefusal(refused(v, stats.JournalFull, "no room to remember another job", now))
		l.log.Warn("no room to remember another job; not answered", "job", r.Leaf.Job, "remembered", l.table.Size())
		return
	case jobtable.Added:
		l.fresh = j
		l.gate.decisions.Verdict(v, now)
		if v.Refusal != "" {
			l.gate.logRefusal(v, now)
		}
		countRefusedJob(&l.stats, v, j, why, now)
	}
	if result == jobtable.AlreadyKnown && j.Delivered && now.After(time.UnixMilli(r.Statement.NotAfter).Add(l.cfg.Limits.Tolerance)) {
		return // its operator has the result, and would ask for it; anybody may have captured the request
	}
	l.replies.Subscribe(j, r.Statement.ReplyTo, now)
	if result == jobtable.Added && j.Phase == jobtable.Ended {
		l.ended(j)
	}
}

func (l *loop) cancel(r *jobtable.VerifiedRequest, now time.Time) {
	before := l.table.Find(r)
	again := before != nil && (before.Phase == jobtable.Ended || before.Canceling)
	j, stop := l.table.Cancel(r, now)
	switch {
	case j == nil:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case stop:
		if !again {
			l.log.Info("canceling", "job", j.ID, "task", j.Task)
		}
		l.pool.cancel(j, errCanceled) // a job whose begin is being written is not executed at all
		l.replies.answer(r.Request, j.State(now))
	case !again:
		l.ended(j)
	}
	l.replies.Resend(j, r.Statement.ReplyTo, 0, now)
}

// status answers what is known of a job. The operator has the first have bytes of its standard output.
func (l *loop) status(r *jobtable.VerifiedRequest, have int64, now time.Time) {
	j, state := l.table.Status(r, now)
	switch {
	case state == wire.StateForgotten:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case j == nil:
		l.replies.answer(r.Request, &wire.State{Job: r.Leaf.Job, State: state, At: now.UnixMilli()})
		return
	}
	if j.Phase != jobtable.Ended {
		l.replies.answer(r.Request, j.State(now))
	}
	l.replies.Resend(j, r.Statement.ReplyTo, have, now)
}

// forgotten answers that the journal does not show whether a job has run. If the reason is
// that the journal is new, or that the agent took the name later, the answer says from which
// issue time on it does.
func (l *loop) forgotten(r *wire.Request, issuedAt int64, now time.Time) {
	s := &wire.State{Job: r.Leaf.Job, State: wire.StateForgotten, At: now.UnixMilli()}
	from, why := l.table.NameTakenAfter(r.Leaf.Host, time.UnixMilli(issuedAt))
	if since := l.table.KnownSince().UnixMilli(); issuedAt < since {
		s.Since = since // the journal is new: this is reason enough
	} else {
		s.Reason = why
	}
	if why != "" {
		s.Since = max(s.Since, from.UnixMilli())
	}
	l.stats.CountRefusal(unknowable(r, s.Reason, now))
	if l.gate.limit.AllowN(now, 1) { // anybody may have captured the request
		l.log.Warn("cannot tell whether this job has run", "job", r.Leaf.Job, "task", r.Statement.Task, "type", r.Statement.Type, "reason", s.Reason)
	}
	l.replies.answer(r, s)
}
