// Package replybus receives what agents answer.
//
// The bus is one goroutine that owns the exclusive callback queue: it declares
// it, consumes it, decodes each reply strictly, and routes it by correlation id
// into the result store. A delivery is acknowledged to the broker only once the
// store has committed it. Agents send to it through the broker; it sends to the
// store alone. It ends with the context of Run.
package replybus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/results"
	"warren/internal/wire"
)

const (
	// prefetch bounds what the broker hands over before the store has committed
	// it; times wire.MaxReply it bounds the memory of the bus (32 MiB).
	prefetch = 256

	// queueBytes bounds the callback queue in the broker. Above it agents' replies
	// are refused, and they try again.
	queueBytes = 256 << 20

	// storePause is the wait before a failed commit, as on a full disk, is tried
	// again. Nothing is acknowledged meanwhile.
	storePause = time.Second
)

// Store is what the bus needs of the result store.
type Store interface {
	Apply(ctx context.Context, us []results.Update) (<-chan error, error)
	SawAgent(ctx context.Context, discover string, h *wire.Hello) error
	SawCheck(ctx context.Context, job string, reply any) (bool, error)
}

// A Bus is the actor that owns the callback queue.
type Bus struct {
	link  *broker.Link
	queue string
	store Store
	log   *slog.Logger
	junk  *junk

	caughtUp chan struct{} // consumer → who asks
}

// New wires a bus that consumes queue over a connection of its own: on one that
// also publishes, a memory alarm would stop the acknowledgements too. It starts
// nothing.
//
// What is no reply is dropped and counted; tell, where given, says so at most once
// a minute.
func New(opts broker.Options, queue string, store Store, tell func(text string), log *slog.Logger) (*Bus, error) {
	link, err := broker.NewLink(opts)
	if err != nil {
		return nil, err
	}
	return &Bus{link: link, queue: queue, store: store, log: log, junk: &junk{tell: tell}, caughtUp: make(chan struct{})}, nil
}

// Link is the state of the callback queue: Up while it is declared and consumed.
func (b *Bus) Link() *broker.State { return b.link.State() }

// CaughtUp gives whenever no reply is known that is not stored yet.
func (b *Bus) CaughtUp() <-chan struct{} { return b.caughtUp }

// Run consumes until ctx ends.
func (b *Bus) Run(ctx context.Context) error { return b.link.Run(ctx, b.session) }

var errConsumerEnded = errors.New("the broker ended the consumer of the callback queue")

// session is one connection's life.
func (b *Bus) session(ctx context.Context, s *broker.Session) error {
	exchanges := []broker.Exchange{{Name: wire.ExchangeReplies, Kind: "topic"}, {Name: wire.ExchangeDiscover, Kind: "fanout"}}
	ch, err := broker.Declare(s.Conn, exchanges, broker.ExclusiveQueue(b.queue, 0, queueBytes))
	if err != nil {
		return err
	}
	var deliveries <-chan amqp.Delivery
	err = broker.Within(s.Conn, broker.CallTime, func() error {
		if err := ch.QueueBind(b.queue, b.queue, wire.ExchangeReplies, false, nil); err != nil {
			return err
		}
		if err := ch.Qos(prefetch, 0, false); err != nil {
			return err
		}
		deliveries, err = ch.Consume(b.queue, "", false, true, false, false, nil)
		return err
	})
	if err != nil {
		return err
	}
	s.Ready()
	c := consumer{bus: b, ch: ch}
	return c.run(ctx, deliveries)
}

// consumer is the state of one session.
type consumer struct {
	bus *Bus
	ch  *amqp.Channel

	batch []results.Update // decoded, not given to the store
	tag   uint64           // of the last delivery in batch, or decided without the store

	applied   []results.Update // given to the store
	appliedTo uint64           // the last delivery that they cover
	committed <-chan error     // answer of the store; nil when none is awaited
	retry     <-chan time.Time // when applied is tried again
	acked     uint64
}

// run takes deliveries as they come; whatever has come while the store commits
// goes into its next batch.
func (c *consumer) run(ctx context.Context, deliveries <-chan amqp.Delivery) error {
	for {
		if err := c.flush(ctx); err != nil {
			return err
		}
		var caughtUp chan<- struct{}
		if len(c.applied) == 0 {
			caughtUp = c.bus.caughtUp
		}
		select {
		case caughtUp <- struct{}{}:
		case d, ok := <-deliveries:
			if !ok {
				return errConsumerEnded
			}
			if err := c.take(ctx, d); err != nil {
				return err
			}
		case err := <-c.committed:
			c.committed = nil
			if err != nil {
				c.bus.log.Error("cannot store replies; trying again", "error", err, "replies", len(c.applied))
				c.retry = time.After(storePause)
				continue
			}
			c.applied = nil
			if err := c.ack(c.appliedTo); err != nil {
				return err
			}
		case <-c.retry:
			c.retry = nil
			if err := c.apply(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take decodes one reply. What is no valid reply is logged and dropped.
func (c *consumer) take(ctx context.Context, d amqp.Delivery) error {
	c.tag = d.DeliveryTag
	reply, err := wire.DecodeReply(d.Type, d.Body, d.Headers, d.CorrelationId)
	if err != nil {
		c.bus.log.Warn("dropped a message that is no reply", "type", clip(d.Type), "bytes", len(d.Body), "error", err)
		c.bus.junk.dropped(err, time.Now())
		return nil
	}
	switch r := reply.(type) {
	case *wire.Hello:
		return c.bus.store.SawAgent(ctx, d.CorrelationId, r)
	case *wire.Checked:
		_, err := c.bus.store.SawCheck(ctx, d.CorrelationId, r)
		return err
	case *wire.Ended:
		if r.Outcome == wire.Rejected { // perhaps of a check
			if taken, err := c.bus.store.SawCheck(ctx, d.CorrelationId, r); taken || err != nil {
				return err
			}
		}
	}
	c.batch = append(c.batch, results.Update{Job: d.CorrelationId, Reply: reply})
	return nil
}

// flush gives the batch to the store unless it is busy with the last one, and
// acknowledges what never needed the store.
func (c *consumer) flush(ctx context.Context) error {
	switch {
	case len(c.applied) > 0:
		return nil
	case len(c.batch) == 0:
		return c.ack(c.tag)
	}
	c.applied, c.appliedTo, c.batch = c.batch, c.tag, nil
	return c.apply(ctx)
}

func (c *consumer) apply(ctx context.Context) (err error) {
	c.committed, err = c.bus.store.Apply(ctx, c.applied)
	return err
}

// ack acknowledges everything up to tag.
func (c *consumer) ack(tag uint64) error {
	if tag <= c.acked {
		return nil
	}
	c.acked = tag
	return c.ch.Ack(tag, true)
}

// clip keeps a stranger's word short in the log.
func clip(s string) string { return s[:min(len(s), 40)] }
