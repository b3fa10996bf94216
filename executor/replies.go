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

// replies turns the messages of the outbox into publications, for which it reads the output.
type replies struct {
	*outbox.Outbox
	agent     string // id
	output    *outputlog.Log
	publisher chan<- *broker.Publication
	verdicts  chan<- broker.Verdict
	acks      pendingAcks
	head      *broker.Publication // waits for the publisher
}

func newReplies(a *Agent, output *outputlog.Log) *replies {
	return &replies{Outbox: outbox.New(output.Has), agent: a.cfg.ID, output: output, publisher: a.publisher.In(), verdicts: a.verdicts}
}

// next returns the next publication, with the acknowledgements that leave with it, and the
// channel that it goes to; nil if there is none.
func (r *replies) next(now time.Time) (chan<- *broker.Publication, *broker.Publication) {
	for r.head == nil {
		m := r.Next(now)
		if m == nil {
			return nil, nil
		}
		if r.head = r.publication(m); r.head == nil {
			r.Skip()
		}
	}
	r.head.Acks = r.acks.deliveries
	return r.publisher, r.head
}

// sent notes that the publisher has taken the publication.
func (r *replies) sent() {
	r.Sent()
	r.head, r.acks.deliveries = nil, nil
}

// answer sends one reply to a request.
func (r *replies) answer(q *wire.Request, v any) {
	correlation := cmp.Or(q.Leaf.Job, q.Statement.Task)
	r.SendOnce(outbox.OneShot{To: q.Statement.ReplyTo, Correlation: correlation, Reply: v})
}

// publication builds the publication of a message; nil for output that cannot be read.
func (r *replies) publication(m *outbox.Message) *broker.Publication {
	p := &broker.Publication{
		Exchange: wire.ExchangeReplies, Key: m.To, Mandatory: true, Vouched: true, Ref: m.Ref, Answer: r.verdicts,
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
	wire.SetAgent(m.Reply, r.agent)
	var err error
	if p.Msg.Type, p.Msg.Body, err = wire.EncodeReply(m.Reply); err != nil {
		panic(err) // a reply that the agent itself made
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
