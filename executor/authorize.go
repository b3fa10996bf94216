package executor

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"warren/executor/decisionlog"
	"warren/executor/jobtable"
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
func (g *gate) authorize(d delivery, now time.Time) trust.Verdict {
	m := trust.Message{Body: d.Body, Type: d.Type, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo}
	return trust.Judge(m, g.host(d.name), g.policy(), now)
}

// reauthorize decides whether a job that has waited, be it over a restart, may begin:
// its key may have been revoked meanwhile, or its line changed.
func (g *gate) reauthorize(j *jobtable.Job, now time.Time) (*wire.Run, string) {
	return trust.Again(j.Signature, j.Run, j.Secret, g.host(j.Host), g.policy(), now)
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
func (g *gate) logRefusal(v *trust.Verdict, now time.Time, attrs ...any) bool {
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
