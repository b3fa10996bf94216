// Package replybus receives the agents' replies.
//
// The bus is one goroutine that owns the exclusive reply queue. It declares and
// consumes the queue, decodes each reply strictly, and routes it by correlation id to the
// result store. One batch is in flight at a time: the bus takes the replies that have
// arrived, waits until the store has committed them, and only then acknowledges them to
// the broker. A batch whose commit fails is retried until it succeeds. Agents send to the
// bus through the broker; the bus sends to the store alone. It ends with the context of
// Run.
//
// If the queue is deleted, or loses its consumer or its binding, the session ends and the
// link declares it again. A goroutine that waits for replies sees the link come up again,
// and asks the agents for the replies that were lost meanwhile.
package replybus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// prefetch bounds what the broker hands over before the store has committed it.
	// Times wire.MaxReply it bounds the memory of the bus (32 MiB).
	prefetch = 256

	// queueBytes bounds the reply queue in the broker. Above it the broker refuses
	// agents' replies, and they try again.
	queueBytes = 256 << 20

	// retryDelay is the wait before a failed commit, for example on a full disk, is
	// retried. The bus acknowledges and takes nothing meanwhile.
	retryDelay = time.Second
)

// verifyInterval is how often the bus checks that its queue still exists. Short, because
// a user waits for the replies, and there are few operators.
var verifyInterval = broker.Interval{First: 2 * time.Second, Then: 12 * time.Second}

// Store is what the bus needs of the result store.
type Store interface {
	Apply(ctx context.Context, us []results.Update) (<-chan error, error)
	SawAgent(ctx context.Context, discover string, h *wire.Hello, login string) error
	SawCheck(ctx context.Context, job string, reply any) (bool, error)
}

// A Bus is the actor that owns the reply queue.
type Bus struct {
	link      *broker.Link
	queue     string
	store     Store
	log       *slog.Logger
	malformed *malformed

	caughtUp chan struct{} // consumer → any goroutine
}

// New returns a bus that consumes queue over a connection of its own. On a connection
// that also publishes, a memory alarm would stop the acknowledgments too. New starts
// nothing.
//
// The bus drops and counts messages that are not valid replies. It calls notify, which
// may be nil, at most once a minute to report them.
func New(opts broker.Options, queue string, store Store, notify func(text string), log *slog.Logger) (*Bus, error) {
	link, err := broker.NewLink(opts)
	if err != nil {
		return nil, err
	}
	return &Bus{link: link, queue: queue, store: store, log: log, malformed: &malformed{notify: notify}, caughtUp: make(chan struct{})}, nil
}

// Link returns the state of the reply queue: Up while it is declared and consumed.
func (b *Bus) Link() *broker.State { return b.link.State() }

// CaughtUp returns a channel from which a receive succeeds only while every reply that
// has arrived is stored.
func (b *Bus) CaughtUp() <-chan struct{} { return b.caughtUp }

// Run consumes until ctx ends.
func (b *Bus) Run(ctx context.Context) error { return b.link.Run(ctx, b.session) }

// session declares the queue on one connection and consumes it until that ends.
func (b *Bus) session(ctx context.Context, s *broker.Session) error {
	ch, queue, err := b.declare(s)
	if err != nil {
		return err
	}
	binding := broker.Binding{Exchange: wire.ExchangeReplies, Key: b.queue}
	incoming, err := broker.Consume(s.Conn, ch, queue, prefetch, true, binding)
	if err != nil {
		return err
	}
	s.Ready()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		c := consumer{bus: b, ch: ch, incoming: incoming}
		return c.run(ctx)
	})
	g.Go(func() error {
		return broker.Verify(ctx, s.Conn, verifyInterval, broker.Subscription{Queue: queue, Bindings: []broker.Binding{binding}})
	})
	return g.Wait()
}

// spareQueues is how many further queues a process may have: each is for another node
// that went down meanwhile.
const spareQueues = 3

// declare declares the reply queue. The name belongs to this process alone, so if another
// connection holds it that is a dead one: the broker has not noticed, or the queue is on
// a node that is down, where RabbitMQ with Khepri keeps it. Then a queue of another name
// gets the same replies. The agents' messages are nacked as long as the dead queue is
// bound, and arrive all the same.
func (b *Bus) declare(s *broker.Session) (ch *amqp.Channel, queue string, err error) {
	for n := range spareQueues + 1 {
		queue = wire.SpareReplyQueue(b.queue, n)
		ch, err = broker.Declare(s.Conn, wire.Exchanges, broker.ExclusiveQueue(queue, 0, queueBytes))
		if !errors.Is(err, broker.ErrTaken) {
			break
		}
	}
	return ch, queue, err
}

// consumer is the state of one session.
type consumer struct {
	bus      *Bus
	ch       *amqp.Channel
	incoming *broker.Consumer
}

// A pendingCommit is a batch of replies that is not acknowledged yet.
type pendingCommit struct {
	updates []results.Update
	tag     uint64 // of the last delivery in the batch
}

// run takes one batch after another, commits it and acknowledges it.
func (c *consumer) run(ctx context.Context) error {
	for {
		batch, err := c.receive(ctx)
		if err != nil {
			return err
		}
		if err := c.commit(ctx, batch); err != nil {
			return err
		}
		const multiple = true
		if err := c.ch.Ack(batch.tag, multiple); err != nil {
			return err
		}
	}
}

// receive waits for a delivery, and takes it and all that have arrived behind it.
func (c *consumer) receive(ctx context.Context) (*pendingCommit, error) {
	batch := new(pendingCommit)
	for batch.tag == 0 {
		// Nothing is in flight: the bus has caught up, unless a delivery has arrived.
		caughtUp := c.bus.caughtUp
		if len(c.incoming.Deliveries) > 0 {
			caughtUp = nil
		}
		select {
		case caughtUp <- struct{}{}:
		case d, ok := <-c.incoming.Deliveries:
			if !ok {
				return nil, c.incoming.Err()
			}
			if err := c.decode(ctx, d, batch); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for {
		select {
		case d, ok := <-c.incoming.Deliveries:
			if !ok {
				return batch, nil // the next receive returns why
			}
			if err := c.decode(ctx, d, batch); err != nil {
				return nil, err
			}
		default:
			return batch, nil
		}
	}
}

// commit hands a batch to the store until the store has committed it.
func (c *consumer) commit(ctx context.Context, batch *pendingCommit) error {
	if len(batch.updates) == 0 {
		return nil
	}
	for failed := false; ; failed = true {
		committed, err := c.bus.store.Apply(ctx, batch.updates)
		if err != nil {
			return err
		}
		select {
		case err = <-committed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		if !failed {
			c.bus.log.Error("cannot store replies; trying again", "error", err, "replies", len(batch.updates))
		}
		retry := time.NewTimer(retryDelay)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return ctx.Err()
		}
	}
}

// decode decodes one delivery and adds it to the batch. It logs and drops a message that
// is not a valid reply.
func (c *consumer) decode(ctx context.Context, d amqp.Delivery, batch *pendingCommit) error {
	batch.tag = d.DeliveryTag
	reply, err := wire.DecodeReply(d.Type, d.Body, d.Headers, d.CorrelationId)
	if err != nil {
		c.bus.log.Warn("dropped a message that is no reply", "type", clip(d.Type), "bytes", len(d.Body), "error", err)
		c.bus.malformed.dropped(err, time.Now())
		return nil
	}
	switch r := reply.(type) {
	case *wire.Hello:
		err := c.bus.store.SawAgent(ctx, d.CorrelationId, r, d.UserId)
		if errors.Is(err, results.ErrSurplus) {
			c.bus.log.Warn("dropped a hello", "agent", r.Agent, "error", err)
			c.bus.malformed.dropped(err, time.Now())
			return nil
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, results.ErrStopped) { // as on a full disk; the batch is worth more
			c.bus.log.Warn("dropped a hello", "agent", r.Agent, "error", err)
			return nil
		}
		return err
	case *wire.Checked, *wire.Granted:
		_, err := c.bus.store.SawCheck(ctx, d.CorrelationId, r)
		return err
	case *wire.Ended:
		if r.Outcome == wire.Rejected { // perhaps of a check or of rights
			if taken, err := c.bus.store.SawCheck(ctx, d.CorrelationId, r); taken || err != nil {
				return err
			}
		}
	}
	batch.updates = append(batch.updates, results.Update{Job: d.CorrelationId, Reply: reply})
	return nil
}

// clip shortens foreign text for the log.
func clip(s string) string { return s[:min(len(s), 40)] }
