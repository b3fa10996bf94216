package executor

import (
	"time"

	"golang.org/x/time/rate"

	"warren/executor/decisionlog"
	"warren/internal/agent/trust"
	"warren/internal/wire"
)

// How many refusals are logged, and answered where a stranger has sent them.
// Above it they are only counted: whoever reaches the broker can send as many as
// it takes.
const (
	refusalRate  = rate.Limit(10) // a second
	refusalBurst = 20
)

// deliver handles one message: judge, decide, write, then acknowledge. Nothing
// looks at a message before it has been judged.
func (l *loop) deliver(d delivery, now time.Time) {
	l.acks = append(l.acks, d)
	l.settle(now)
	v := l.judge(d, now)
	switch {
	case v.Request == nil:
		l.refused(&v, now, "queue", d.queue, "bytes", len(d.Body))
	case !v.Verified:
		l.refuseStranger(&v, now)
	default:
		l.obey(&v, d, now)
	}
}

// judge sends a message through the door.
func (l *loop) judge(d delivery, now time.Time) trust.Verdict {
	m := trust.Message{Body: d.Body, Type: d.Type, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo}
	return trust.Judge(m, l.host(d.name), l.policy(), now)
}

// judgeAgain asks whether a job that has waited, be it over a restart, may begin:
// its key may have been revoked meanwhile, or its line changed.
func (l *loop) judgeAgain(j *job, now time.Time) (*wire.Run, string) {
	return trust.Again(j.signature, j.run, j.secret, l.host(j.host), l.policy(), now)
}

func (l *loop) host(name string) *trust.Host {
	return &trust.Host{
		Name: name, User: userName(), Tolerance: l.cfg.Limits.Tolerance, MaxValidity: l.cfg.MaxValidity,
		AllowUnsigned: l.cfg.AllowUnsigned, Fleet: l.cfg.Fleet,
	}
}

// policy is what the files say now; nil is nobody.
func (l *loop) policy() *trust.Policy {
	if l.cfg.Trust == nil {
		return nil
	}
	return l.cfg.Trust.Policy()
}

// obey does what a verified request says, or tells its issuer why not.
func (l *loop) obey(v *trust.Verdict, d delivery, now time.Time) {
	if v.OtherFleet {
		l.refuse(v, now) // its job is another fleet's: the journal is not asked
		return
	}
	o := orderOf(v)
	o.inbox = d.inbox && !d.Redelivered
	typ := v.Request.Statement.Type
	if typ != wire.TypeCheck && typ != wire.TypeDiscover && l.journal.foreign(o) {
		if v.Refusal == "" {
			v.Refusal = "the job is another operator's"
		}
		l.refuse(v, now)
		return
	}
	if typ == wire.TypeRun {
		l.accept(v, o, d.held, now)
		return
	}
	if (typ == wire.TypeCancel || typ == wire.TypeStatus) && v.Refusal == "" && !l.journal.room(o, now) {
		v.Refusal = "journal full: this host does not know the job, and cannot remember another"
	}
	if v.Refusal != "" && typ != wire.TypeCheck {
		l.refuse(v, now)
		return
	}
	l.decisions.Verdict(v, now)
	switch typ {
	case wire.TypeCheck:
		l.answer(v.Request, l.check(v, now))
	case wire.TypeCancel:
		l.cancel(o, now)
	case wire.TypeStatus:
		l.status(o, now)
	case wire.TypeDiscover:
		l.answer(v.Request, l.hello(now))
	}
}

// refuse answers a request that the journal is not to know of. One that anybody may
// have captured, and can send again as often as they like, is answered at the rate
// of strangers.
func (l *loop) refuse(v *trust.Verdict, now time.Time) {
	l.decisions.Verdict(v, now)
	if l.refused(v, now) || !v.MayBeCaptured() {
		l.reject(v.Request, v.Refusal, now)
	}
}

// refuseStranger tells nothing to whoever sent it, and that at a bounded rate.
func (l *loop) refuseStranger(v *trust.Verdict, now time.Time) {
	l.decisions.Verdict(v, now)
	if l.refused(v, now) {
		l.reject(v.Request, trust.NotPermitted, now)
	}
}

// reject is the answer; a discover has no job that it could be about.
func (l *loop) reject(r *wire.Request, reason string, now time.Time) {
	if r.Statement.Type == wire.TypeDiscover {
		return
	}
	l.answer(r, &wire.Ended{
		Job: r.Leaf.Job, Outcome: wire.Rejected, Reason: reason, EndedAt: now.UnixMilli(), Request: r.Digest[:],
	})
}

// refused logs a refusal and reports whether it did.
func (l *loop) refused(v *trust.Verdict, now time.Time, attrs ...any) bool {
	if !l.refusals.AllowN(now, 1) {
		l.unlogged++
		return false
	}
	attrs = append(attrs, "reason", decisionlog.Brief(v.Refusal))
	if r := v.Request; r != nil {
		attrs = append(attrs, "type", r.Statement.Type, "task", r.Statement.Task, "job", r.Leaf.Job)
	}
	if v.Issuer.Fingerprint != "" {
		attrs = append(attrs, "fingerprint", v.Issuer.Fingerprint, "operator", v.Issuer.Operator)
	}
	if l.unlogged > 0 {
		attrs = append(attrs, "not_logged", l.unlogged)
		l.unlogged = 0
	}
	l.log.Warn("refused", attrs...)
	return true
}
