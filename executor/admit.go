package executor

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"warren/executor/decisionlog"
	"warren/internal/agent/trust"
	"warren/internal/broker"
	"warren/internal/wire"
)

// How many refusals are logged, and answered where a stranger has sent them.
// Above it they are only counted: whoever reaches the broker can send as many as
// it takes.
const (
	refusalRate  = rate.Limit(10) // a second
	refusalBurst = 20
)

// gate decides who may do what, and logs whom it refuses.
type gate struct {
	cfg       *Config
	log       *slog.Logger
	decisions *decisionlog.Log // nil: none is kept
	limit     *rate.Limiter    // of what is logged and answered to strangers
	unlogged  int              // refusals above it, since the last that was logged
}

// authorize decides whether a message may do what it asks for.
func (g *gate) authorize(d delivery, now time.Time) trust.Decision {
	m := trust.Message{Body: d.Body, Type: d.Type, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo}
	return trust.Authorize(m, g.host(d.name), g.policy(), now)
}

// reauthorize decides whether a job that has waited, be it over a restart, may begin:
// its key may have been revoked meanwhile, or its line changed.
func (g *gate) reauthorize(j *job, now time.Time) (*wire.Run, string) {
	return trust.Reauthorize(j.signature, j.run, j.secret, g.host(j.host), g.policy(), now)
}

func (g *gate) host(name string) *trust.Host {
	return &trust.Host{
		Name: name, User: userName(), Tolerance: g.cfg.Limits.Tolerance, MaxValidity: g.cfg.MaxValidity,
		AllowUnsigned: g.cfg.AllowUnsigned, Fleet: g.cfg.Fleet,
	}
}

// policy is what the files say now; nil is nobody.
func (g *gate) policy() *trust.Policy {
	if g.cfg.Trust == nil {
		return nil
	}
	return g.cfg.Trust.Policy()
}

// logRefusal logs a refusal and reports whether it did.
func (g *gate) logRefusal(v *trust.Decision, now time.Time, attrs ...any) bool {
	if !g.limit.AllowN(now, 1) {
		g.unlogged++
		return false
	}
	attrs = append(attrs, "reason", decisionlog.Brief(v.Refusal))
	if r := v.Request; r != nil {
		attrs = append(attrs, "type", r.Statement.Type, "task", r.Statement.Task, "job", r.Leaf.Job)
	}
	if v.Issuer.Fingerprint != "" {
		attrs = append(attrs, "fingerprint", v.Issuer.Fingerprint, "operator", v.Issuer.Operator)
	}
	if g.unlogged > 0 {
		attrs = append(attrs, "not_logged", g.unlogged)
		g.unlogged = 0
	}
	g.log.Warn("refused", attrs...)
	return true
}

// logRefusedReply logs a reply that the broker refuses, which may be why an operator
// does not hear of a job.
func (g *gate) logRefusedReply(v broker.Verdict, now time.Time) {
	if v.Kind == broker.Refused && g.limit.AllowN(now, 1) {
		g.log.Error("the broker refused a reply", "reason", v.Reason,
			"hint", "an agent's login must be permitted to write to "+wire.ExchangeReplies+" (warren broker-setup), and max_message_size in rabbitmq.conf must be 128 KiB or more")
	}
}

// deliver handles one message: authorize, decide, write, then acknowledge. Nothing
// looks at a message before it is authorized.
func (l *loop) deliver(d delivery, now time.Time) {
	l.saver.acks = append(l.saver.acks, d)
	l.presence.settle(now)
	v := l.gate.authorize(d, now)
	switch {
	case v.Request == nil:
		l.gate.logRefusal(&v, now, "queue", d.queue, "bytes", len(d.Body))
	case !v.Verified:
		l.refuseUnauthenticated(&v, now)
	default:
		l.handle(&v, d, now)
	}
}

// handle does what a verified request says, or answers why not.
func (l *loop) handle(v *trust.Decision, d delivery, now time.Time) {
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
	if (typ == wire.TypeCancel || typ == wire.TypeStatus) && v.Refusal == "" && !l.journal.hasRoom(o, now) {
		v.Refusal = "journal full: this host does not know the job, and cannot remember another"
	}
	if v.Refusal != "" && typ != wire.TypeCheck {
		l.refuse(v, now)
		return
	}
	l.gate.decisions.Verdict(v, now)
	switch typ {
	case wire.TypeCheck:
		l.answer(v.Request, l.cfg.check(v, now))
	case wire.TypeCancel:
		l.cancel(o, now)
	case wire.TypeStatus:
		l.status(o, now)
	case wire.TypeDiscover:
		l.answer(v.Request, l.hello(now))
	}
}

// refuse answers a request that the journal is not to know of. A request that anybody
// may have captured, and can send again and again, is answered at the rate of strangers.
func (l *loop) refuse(v *trust.Decision, now time.Time) {
	l.gate.decisions.Verdict(v, now)
	if l.gate.logRefusal(v, now) || !v.MayBeCaptured() {
		l.reject(v.Request, v.Refusal, now)
	}
}

// refuseUnauthenticated tells a stranger nothing, at a bounded rate.
func (l *loop) refuseUnauthenticated(v *trust.Decision, now time.Time) {
	l.gate.decisions.Verdict(v, now)
	if l.gate.logRefusal(v, now) {
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

// accept takes a run, or notes for good that it is refused.
func (l *loop) accept(v *trust.Decision, r *order, held bool, now time.Time) {
	if v.Refusal == "" {
		v.Refusal = unsupportedReason(v.Run)
	}
	refusal := v.Refusal
	if l.draining && l.saver.file == nil {
		refusal = "the agent is stopping" // else it waits for the next start
	}
	j, known := l.journal.accept(r, refusal, held, now)
	if st := r.Statement; j == nil && l.journal.doubts(r, time.UnixMilli(st.IssuedAt), time.UnixMilli(st.NotAfter)) != certain {
		l.forgotten(r.Request, st.IssuedAt, now)
		return
	}
	if j == nil {
		l.log.Warn("no room to remember another job; not answered", "job", r.Leaf.Job, "remembered", len(l.journal.jobs))
		return
	}
	if !known {
		l.fresh = j
		l.gate.decisions.Verdict(v, now)
		if v.Refusal != "" {
			l.gate.logRefusal(v, now)
		}
		if j.phase == waiting {
			l.replies.accepted(j, now)
		}
	}
	l.replies.subscribe(j, r.Statement.ReplyTo)
	if !known && j.phase == ended {
		l.ended(j)
	}
}

func (l *loop) cancel(r *order, now time.Time) {
	before := l.journal.known(r)
	again := before != nil && (before.phase == ended || before.canceling)
	j, stop := l.journal.cancel(r, now)
	switch {
	case j == nil:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case stop:
		if !again {
			l.log.Info("canceling", "job", j.id, "task", j.task)
		}
		l.pool.cancel(j, errCanceled) // a job whose begin is being written is not executed at all
		l.answer(r.Request, j.state(now))
	case !again:
		l.ended(j)
	}
	l.replies.resend(j, r.Statement.ReplyTo)
}

func (l *loop) status(r *order, now time.Time) {
	j, state := l.journal.status(r, now)
	switch {
	case state == wire.StateForgotten:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case j == nil:
		l.answer(r.Request, &wire.State{Job: r.Leaf.Job, State: state, At: now.UnixMilli()})
		return
	}
	if j.phase != ended {
		l.answer(r.Request, j.state(now))
	}
	l.replies.resend(j, r.Statement.ReplyTo)
}

// forgotten says that nobody here can tell what became of a job, and, where the
// journal is too young or the name was taken later, from when on it can.
func (l *loop) forgotten(r *wire.Request, issuedAt int64, now time.Time) {
	s := &wire.State{Job: r.Leaf.Job, State: wire.StateForgotten, At: now.UnixMilli()}
	from, why := l.journal.takenAfter(r.Leaf.Host, time.UnixMilli(issuedAt))
	if since := l.journal.since.UnixMilli(); issuedAt < since {
		s.Since = since // the journal is new: that says enough
	} else {
		s.Reason = why
	}
	if why != "" {
		s.Since = max(s.Since, from.UnixMilli())
	}
	if l.gate.limit.AllowN(now, 1) { // anybody may have captured it
		l.log.Warn("cannot tell whether this job has run", "job", r.Leaf.Job, "task", r.Statement.Task, "type", r.Statement.Type, "reason", s.Reason)
	}
	l.answer(r, s)
}

// answer sends one reply that no job keeps.
func (l *loop) answer(r *wire.Request, v any) {
	correlation := r.Leaf.Job
	if correlation == "" {
		correlation = r.Statement.Task
	}
	l.replies.sendOnce(oneShotReply{to: r.Statement.ReplyTo, correlation: correlation, reply: v})
}
