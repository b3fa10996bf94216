package executor

import (
	"cmp"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/executor/outbox"
	"warren/executor/outputlog"
	"warren/internal/broker"
	"warren/internal/wire"
)

// replies turns the outbox's messages into publications: it reads the output that they
// are about.
type replies struct {
	*outbox.Outbox
	agent   string // id
	output  *outputlog.Log
	answers chan<- broker.Verdict
	head    *broker.Publication // waiting for the publisher
}

func newReplies(agent string, output *outputlog.Log, answers chan<- broker.Verdict) *replies {
	return &replies{Outbox: outbox.New(output.Has), agent: agent, output: output, answers: answers}
}

// next is the next publication; nil where there is none.
func (r *replies) next(now time.Time) *broker.Publication {
	for r.head == nil {
		m := r.Next(now)
		if m == nil {
			return nil
		}
		if r.head = r.publication(m); r.head == nil {
			r.Skip()
		}
	}
	return r.head
}

// sent says that the publisher has taken the publication.
func (r *replies) sent() {
	r.Outbox.Sent()
	r.head = nil
}

// publication builds a message's publication; nil for output that cannot be read.
func (r *replies) publication(m *outbox.Message) *broker.Publication {
	p := &broker.Publication{
		Exchange: wire.ExchangeReplies, Key: m.To, Mandatory: true, Vouched: true, Ref: m.Ref, Answer: r.answers,
		Msg: amqp.Publishing{CorrelationId: m.Correlation, ContentType: wire.ContentJSON, AppId: wire.AppID},
	}
	if m.Reply == nil {
		data, err := r.output.Get(m.Output)
		if err != nil {
			return nil
		}
		p.Msg.Type, p.Msg.ContentType, p.Msg.Body = wire.TypeOutput, wire.ContentBytes, data
		p.Msg.Headers = amqp.Table{wire.HeaderStream: m.Output.Stream, wire.HeaderOffset: m.Output.Offset}
		return p
	}
	if e, ok := m.Reply.(*wire.Ended); ok {
		r.embed(e, m.Inline)
	}
	var err error
	if p.Msg.Type, p.Msg.Body, err = wire.EncodeReply(stamp(m.Reply, r.agent)); err != nil {
		panic(err) // our own reply breaks our own format
	}
	return p
}

// embed puts output into an ended reply.
func (r *replies) embed(e *wire.Ended, output []outputlog.Ref) {
	for _, ref := range output {
		s := e.Stdout
		if ref.Stream == wire.Stderr {
			s = e.Stderr
		}
		if s == nil || s.Gone {
			continue
		}
		data, err := r.output.Get(ref)
		if err != nil {
			s.Gone, s.Data = true, nil
			continue
		}
		s.Data = append(s.Data, data...)
	}
}

// stamp puts version and agent id on a reply. One about a job may bear the id
// under which it was accepted: its operator listens to no other.
func stamp(v any, agent string) any {
	switch r := v.(type) {
	case *wire.Accepted:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Started:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Ended:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.State:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Checked:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Hello:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	}
	return v
}
