// Package replybus receives what agents answer.
//
// The bus is one goroutine that owns the exclusive callback queue: it declares
// it, consumes it, decodes each reply strictly, and routes it by correlation id
// into the result store. A delivery is acknowledged to the broker only once the
// store has committed it. Agents send to it through the broker; it sends to the
// store alone. It ends with the context of Run.
//
// A queue that was deleted, or that has lost its consumer or its binding, ends the
// session, and the link declares it again. Whoever waits for replies sees the link
// come up again and asks for what went to no queue meanwhile.
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
	// prefetch bounds what the broker hands over before the store has committed
	// it; times wire.MaxReply it bounds the memory of the bus (32 MiB).
	prefetch = 256

	// ackEvery and ackBy are how many committed replies wait for an acknowledgement,
	// and for how long: one for each transaction costs the broker more than it is
	// worth, since the queue goes with the connection, and nothing comes again.
	ackEvery = prefetch / 4
	ackBy    = 100 * time.Millisecond

	// queueBytes bounds the callback queue in the broker. Above it agents' replies
	// are refused, and they try again.
	queueBytes = 256 << 20

	// storePause is the wait before a failed commit, as on a full disk, is tried
	// again. Nothing is acknowledged meanwhile.
	storePause = time.Second
)

// verifyInterval is how often the bus checks that its queue still exists. Somebody
// waits for what comes by it, and operators are few.
var verifyInterval = broker.Interval{First: 2 * time.Second, Then: 12 * time.Second}

// Store is what the bus needs of the result store.
type Store interface {
	Apply(ctx context.Context, us []results.Update) (<-chan error, error)
	SawAgent(ctx context.Context, discover string, h *wire.Hello, login string) error
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

// session is one connection's life.
func (b *Bus) session(ctx context.Context, s *broker.Session) error {
	exchanges := []broker.Exchange{{Name: wire.ExchangeReplies, Kind: "topic"}, {Name: wire.ExchangeDiscover, Kind: "fanout"}}
	ch, err := broker.Declare(s.Conn, exchanges, broker.ExclusiveQueue(b.queue, 0, queueBytes))
	if err != nil {
		return err
	}
	binding := broker.Binding{Exchange: wire.ExchangeReplies, Key: b.queue}
	incoming, err := broker.Consume(s.Conn, ch, b.queue, prefetch, true, binding)
	if err != nil {
		return err
	}
	s.Ready()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		c := consumer{bus: b, ch: ch}
		return c.run(ctx, incoming)
	})
	g.Go(func() error {
		return broker.Verify(ctx, s.Conn, verifyInterval, broker.Subscription{Queue: b.queue, Bindings: []broker.Binding{binding}})
	})
	return g.Wait()
}

// consumer is the state of one session.
type consumer struct {
	bus *Bus
	ch  *amqp.Channel

	batch []results.Update // decoded, not given to the store
	tag   uint64           // of the last delivery that was decoded
	given []gift           // to the store, oldest first
	done  uint64           // the last delivery before which all is committed
	acked uint64
	late  <-chan time.Time // what is committed is acknowledged then; nil: nothing waits

	failed   []results.Update // given, and not committed
	failedTo uint64           // the last delivery that they cover
	retry    <-chan time.Time // when they are given again
}

// A gift is what the store has been given at one time.
type gift struct {
	updates   []results.Update
	to        uint64       // the last delivery that it covers
	committed <-chan error // answer of the store
}

// run takes deliveries as they come and gives them to the store, which commits
// together what has come meanwhile. After a failure nothing more is taken until
// all that was given has been committed.
func (c *consumer) run(ctx context.Context, from *broker.Consumer) error {
	for {
		var caughtUp chan<- struct{}
		var committed <-chan error
		incoming := from.Deliveries
		switch {
		case len(c.given) > 0:
			committed = c.given[0].committed
		case c.failed == nil:
			caughtUp = c.bus.caughtUp
		}
		if c.failed != nil {
			incoming = nil
		}
		var err error
		select {
		case caughtUp <- struct{}{}:
		case d, ok := <-incoming:
			if !ok {
				return from.Err()
			}
			err = c.takeAll(ctx, d, incoming)
		case err := <-committed:
			c.answered(err)
		case <-c.late:
			err = c.ack(0)
		case <-c.retry:
			c.retry = nil
			err = c.give(ctx, c.failed, c.failedTo)
			c.failed = nil
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err == nil {
			err = c.ack(ackEvery)
		}
		if err != nil {
			return err
		}
	}
}

// takeAll takes a delivery and those that wait behind it.
func (c *consumer) takeAll(ctx context.Context, d amqp.Delivery, deliveries <-chan amqp.Delivery) error {
	for ok := true; ok; {
		if err := c.take(ctx, d); err != nil {
			return err
		}
		select {
		case d, ok = <-deliveries:
		default:
			ok = false
		}
	}
	if len(c.batch) == 0 {
		return nil
	}
	us := c.batch
	c.batch = nil
	return c.give(ctx, us, c.tag)
}

func (c *consumer) give(ctx context.Context, us []results.Update, to uint64) error {
	committed, err := c.bus.store.Apply(ctx, us)
	c.given = append(c.given, gift{us, to, committed})
	return err
}

// answered takes the store's word on the oldest gift.
func (c *consumer) answered(err error) {
	g := c.given[0]
	c.given = c.given[1:]
	if err != nil && c.failed == nil {
		c.bus.log.Error("cannot store replies; trying again", "error", err, "replies", len(g.updates))
	}
	if err != nil {
		c.failed = append(c.failed, g.updates...)
	}
	if c.failed == nil {
		c.done = g.to
		return
	}
	c.failedTo = g.to
	if len(c.given) == 0 {
		c.retry = time.After(storePause)
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
		err := c.bus.store.SawAgent(ctx, d.CorrelationId, r, d.UserId)
		if errors.Is(err, results.ErrSurplus) {
			c.bus.log.Warn("dropped a hello", "agent", r.Agent, "error", err)
			c.bus.junk.dropped(err, time.Now())
			return nil
		}
		return err
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

// ack acknowledges all before the first that is not committed, if that are as many,
// or sees to it that it is done soon.
func (c *consumer) ack(atLeast uint64) error {
	for len(c.given) > 0 && len(c.given[0].committed) > 0 { // of the same transaction
		c.answered(<-c.given[0].committed)
	}
	if len(c.given) == 0 && c.failed == nil {
		c.done = c.tag // what never needed the store, too
	}
	switch n := c.done - c.acked; {
	case n == 0:
		return nil
	case n < atLeast:
		if c.late == nil {
			c.late = time.After(ackBy)
		}
		return nil
	}
	c.acked, c.late = c.done, nil
	return c.ch.Ack(c.done, true)
}

// clip keeps a stranger's word short in the log.
func clip(s string) string { return s[:min(len(s), 40)] }
