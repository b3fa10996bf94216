package executor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// prefetch is how many requests of a queue the broker delivers before the first is
	// acknowledged. Acknowledgements do not wait for executions, so it only needs to cover
	// the time of a round trip.
	prefetch = 64

	// queueLength bounds a host queue. The queue fills only while the agent is connected and
	// does not consume; the broker then rejects requests.
	queueLength = 1024
)

// verifyInterval is how often an agent checks that the broker still has its queues.
// With 10,000 agents that is about 40 checks a second.
var verifyInterval = broker.Interval{First: 20 * time.Second, Then: 4 * time.Minute}

// A delivery is one message from one of the agent's queues.
type delivery struct {
	amqp.Delivery
	queue string
	name  string // of the host that the queue is for
	inbox bool   // the queue is the inbox
	held  bool   // the inbox was not read to its end yet, so its jobs do not begin
}

// exchanges are the exchanges of replies, and of requests to all agents.
var exchanges = []broker.Exchange{{Name: wire.ExchangeReplies, Kind: "topic"}, {Name: wire.ExchangeDiscover, Kind: "fanout"}}

// session declares everything on a new connection, and then consumes and publishes until
// something ends.
func (a *Agent) session(ctx context.Context, s *broker.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		known := make(chan struct{}) // closed when the loop knows the names, and can authorize requests for them
		names, err := a.takeNames(ctx, g, s, known)
		if err != nil {
			return err
		}
		select {
		case a.sessions <- connection{names, ctx.Done()}:
			close(known)
		case <-ctx.Done():
			return ctx.Err()
		}
		a.cfg.Log.Info("ready", "names", names)
		s.Ready()
		g.Go(func() error { return broker.Verify(ctx, s.Conn, verifyInterval, a.subscriptions(names)...) })
		if a.cfg.Inbox {
			g.Go(func() error { return a.readInbox(ctx) })
		}
		return nil
	})
	return g.Wait()
}

// takeNames takes the agent's names and begins to consume. Without the id the session ends, and
// the link tries again: another agent has it, or the broker has not noticed yet that this
// agent's last connection is gone. Another name that the agent cannot have is only logged.
//
// Replies are published on the channel of the id, since a reply and the acknowledgement of its
// request then cost the broker less.
func (a *Agent) takeNames(ctx context.Context, g *errgroup.Group, s *broker.Session, known <-chan struct{}) ([]string, error) {
	ch, incoming, err := a.take(s.Conn, a.cfg.ID, exchanges)
	if err != nil {
		if errors.Is(err, broker.ErrTaken) {
			a.cfg.Log.Warn("another agent answers to this id; trying again", "id", a.cfg.ID,
				"hint", fmt.Sprintf("if that agent is dead or stopped, the broker frees the id within %v; otherwise give each agent an --id of its own",
					freedAfter(s.Conn.Config.Heartbeat)))
		}
		return nil, err
	}
	g.Go(func() error { return a.serveID(ctx, s, ch, incoming, known) })
	taken := []string{a.cfg.ID}
	for _, name := range a.furtherNames(s.Conn) {
		_, incoming, err := a.take(s.Conn, name, nil)
		switch {
		case err == nil:
			taken = append(taken, name)
			g.Go(func() error { return a.consumeWhenKnown(ctx, known, fromHost(name), incoming) })
		case errors.Is(err, broker.ErrTaken), errors.Is(err, broker.ErrForbidden):
			a.cfg.Log.Warn("does not answer to this name", "name", name, "error", err, "hint", hint.First(err))
		default:
			return nil, err
		}
	}
	return taken, nil
}

// freedAfter returns how long the broker keeps a connection whose other end is silent. It checks
// once in each heartbeat interval, and closes the connection at the second check without
// traffic. The other agent is assumed to have the same interval.
func freedAfter(heartbeat time.Duration) time.Duration { return 3 * heartbeat }

// serveID consumes the queue of the id and publishes replies on the same channel. If the broker
// refuses a reply, it closes the channel, and serveID goes on with another.
func (a *Agent) serveID(ctx context.Context, s *broker.Session, ch *amqp.Channel, incoming *broker.Consumer, known <-chan struct{}) error {
	for {
		g, both := errgroup.WithContext(ctx)
		g.Go(func() error { return a.consumeWhenKnown(both, known, fromHost(a.cfg.ID), incoming) })
		var published error
		g.Go(func() error {
			published = a.publisher.ServeOn(both, s, ch)
			return published
		})
		err := g.Wait()
		if !errors.Is(published, broker.ErrRefused) || ctx.Err() != nil {
			return err
		}
		if ch, incoming, err = a.take(s.Conn, a.cfg.ID, exchanges); err != nil {
			return err
		}
	}
}

// furtherNames returns the aliases and the local address of the connection.
func (a *Agent) furtherNames(conn *amqp.Connection) []string {
	names := slices.Clone(a.names[1:])
	if addr, ok := conn.LocalAddr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && !addr.IP.IsLinkLocalUnicast() {
		name, err := wire.CheckHostName(addr.IP.String())
		if err == nil && !slices.Contains(a.names, name) {
			names = append(names, name)
		}
	}
	return names
}

// take declares the queue of a name, and the exchanges, on a new channel, and consumes it.
func (a *Agent) take(conn *amqp.Connection, name string, exchanges []broker.Exchange) (*amqp.Channel, *broker.Consumer, error) {
	queue := wire.HostQueue(name)
	ch, err := broker.Declare(conn, exchanges, broker.ExclusiveQueue(queue, queueLength, 0))
	if err != nil {
		return nil, nil, err
	}
	incoming, err := broker.Consume(conn, ch, queue, prefetch, true, a.subscription(name).Bindings...)
	return ch, incoming, err
}

// fromHost returns the origin of deliveries to one of the agent's names.
func fromHost(name string) delivery { return delivery{queue: wire.HostQueue(name), name: name} }

// subscription returns the queue of one of the agent's names. Requests to all agents arrive in
// the queue of the id.
func (a *Agent) subscription(name string) broker.Subscription {
	s := broker.Subscription{Queue: wire.HostQueue(name)}
	if name == a.cfg.ID {
		s.Bindings = []broker.Binding{{Exchange: wire.ExchangeDiscover}}
	}
	return s
}

func (a *Agent) subscriptions(names []string) (all []broker.Subscription) {
	for _, name := range names {
		all = append(all, a.subscription(name))
	}
	return all
}

// consumeWhenKnown consumes once the loop knows all names.
func (a *Agent) consumeWhenKnown(ctx context.Context, known <-chan struct{}, from delivery, incoming *broker.Consumer) error {
	select {
	case <-known:
		return a.consume(ctx, from, incoming)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// consume passes the deliveries of a queue to the loop. It returns an error when the queue was
// deleted or its channel closed; then everything is declared again on a new connection.
func (a *Agent) consume(ctx context.Context, from delivery, incoming *broker.Consumer) error {
	for {
		select {
		case d, ok := <-incoming.Deliveries:
			if !ok {
				return incoming.Err()
			}
			from.Delivery = d
			select {
			case a.deliveries <- from:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
