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

// The rate limit of refusals that are logged, and answered if any client may have sent the
// request. Refusals above it are only counted: a client of the broker can send any number
// of requests.
const (
	refusalRate  = rate.Limit(10) // a second
	refusalBurst = 20
)

// A gate authorizes requests and logs refusals.
type gate struct {
	cfg       *Config
	log       *slog.Logger
	decisions *decisionlog.Log // nil: there is none
	limit     *rate.Limiter    // of refusals
	unlogged  int              // refusals above the limit, since the last that was logged
}

// authorize decides whether a message may do what it asks for.
func (g *gate) authorize(d delivery, now time.Time) trust.Decision {
	if !wire.IsAddressed(d.Exchange, d.RoutingKey, d.Type, d.name) {
		return trust.Decision{Refusal: "it did not come by a routing key of this host"}
	}
	m := trust.Message{Body: d.Body, Type: d.Type, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo}
	return trust.Authorize(m, g.host(d.name), g.cfg.Trust.Policy(), now)
}

// reauthorize decides whether a job that waited, perhaps during a restart, may begin. Its key
// may have been revoked since, or the key's options changed.
func (g *gate) reauthorize(j *jobtable.Job, now time.Time) (*wire.Run, string) {
	return trust.Reauthorize(j.Signature, j.Run, j.Secret, g.host(j.Host), g.cfg.Trust.Policy(), now)
}

func (g *gate) host(name string) *trust.Host {
	return &trust.Host{
		Name: name, User: userName(), Tolerance: g.cfg.Limits.Tolerance, MaxValidity: g.cfg.MaxValidity,
		AllowUnsigned: g.cfg.AllowUnsigned, Fleet: g.cfg.Fleet,
	}
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

// logRefusedReply logs that the broker refuses a reply, so that an operator gets no answer.
func (g *gate) logRefusedReply(v broker.Verdict, now time.Time) {
	if v.Kind == broker.Refused && g.limit.AllowN(now, 1) {
		g.log.Error("the broker refused a reply", "reason", v.Reason,
			"hint", "an agent's login must be permitted to write to "+wire.ExchangeReplies+" (warren broker-setup), and max_message_size in rabbitmq.conf must be 128 KiB or more")
	}
}
