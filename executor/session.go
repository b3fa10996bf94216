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
	// prefetch is how many requests the broker hands over before the first is
	// acknowledged. Acknowledgement does not wait for execution, so this only
	// covers the way there and back.
	prefetch = 64

	// queueLength bounds a host's queue in the broker. It only fills while the
	// agent is stopped in mid-connection; the broker then refuses publications.
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
	held  bool   // and not drained yet: nothing of it begins
}

// exchanges are those that replies and questions to all go by.
var exchanges = []broker.Exchange{{Name: wire.ExchangeReplies, Kind: "topic"}, {Name: wire.ExchangeDiscover, Kind: "fanout"}}

// session is one connection's life: declare everything, then consume and
// publish until something ends.
func (a *Agent) session(ctx context.Context, s *broker.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		told := make(chan struct{}) // the loop knows the names: what comes for them may be judged
		names, err := a.answer(ctx, g, s, told)
		if err != nil {
			return err
		}
		select {
		case a.sessions <- connection{names, ctx.Done()}:
			close(told)
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

// answer takes the agent's names and begins to consume. Its id it must have:
// while another agent holds it, or the broker has not yet noticed that our own
// last connection is gone, the session ends and the link's back-off goes on. A
// further name that it cannot have is a warning.
//
// Replies leave on the id's channel: the broker has then less to do for a reply
// that comes with the acknowledgement of its request.
func (a *Agent) answer(ctx context.Context, g *errgroup.Group, s *broker.Session, told <-chan struct{}) ([]string, error) {
	ch, incoming, err := a.take(s.Conn, a.cfg.ID, exchanges)
	if err != nil {
		if errors.Is(err, broker.ErrTaken) {
			a.cfg.Log.Warn("another agent answers to this id; trying again", "id", a.cfg.ID,
				"hint", fmt.Sprintf("if that agent is dead or stopped, the broker frees the id within %v; otherwise give each agent an --id of its own",
					freedAfter(s.Conn.Config.Heartbeat)))
		}
		return nil, err
	}
	g.Go(func() error { return a.serveID(ctx, s, ch, incoming, told) })
	taken := []string{a.cfg.ID}
	for _, name := range a.furtherNames(s.Conn) {
		_, incoming, err := a.take(s.Conn, name, nil)
		switch {
		case err == nil:
			taken = append(taken, name)
			g.Go(func() error { return a.consumeWhenKnown(ctx, told, fromHost(name), incoming) })
		case errors.Is(err, broker.ErrTaken), errors.Is(err, broker.ErrForbidden):
			a.cfg.Log.Warn("does not answer to this name", "name", name, "error", err, "hint", hint.First(err))
		default:
			return nil, err
		}
	}
	return taken, nil
}

// freedAfter is how long the broker believes in a connection whose other end is
// silent: it looks once in each heartbeat interval, and gives up at the second time
// that nothing has come. The other agent's interval is taken to be this one's.
func freedAfter(heartbeat time.Duration) time.Duration { return 3 * heartbeat }

// serveID consumes the id's queue and publishes replies on the same channel. A reply
// that the broker refuses costs that channel, and another takes over.
func (a *Agent) serveID(ctx context.Context, s *broker.Session, ch *amqp.Channel, incoming *broker.Consumer, told <-chan struct{}) error {
	for {
		g, both := errgroup.WithContext(ctx)
		g.Go(func() error { return a.consumeWhenKnown(both, told, fromHost(a.cfg.ID), incoming) })
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

// furtherNames are the aliases and the address that the connection leaves from.
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

// take declares the queue of one name on a channel of its own and consumes it. With
// the id's go the exchanges.
func (a *Agent) take(conn *amqp.Connection, name string, exchanges []broker.Exchange) (*amqp.Channel, *broker.Consumer, error) {
	queue := wire.HostQueue(name)
	ch, err := broker.Declare(conn, exchanges, broker.ExclusiveQueue(queue, queueLength, 0))
	if err != nil {
		return nil, nil, err
	}
	incoming, err := broker.Consume(conn, ch, queue, prefetch, true, a.subscription(name).Bindings...)
	return ch, incoming, err
}

// fromHost says where deliveries to one of the agent's names come from.
func fromHost(name string) delivery { return delivery{queue: wire.HostQueue(name), name: name} }

// subscription is the queue of one of the agent's names. The id's is where questions
// to all agents arrive, too.
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

// consumeWhenKnown consumes once the loop has been told of all names: only then can it
// judge what comes for them.
func (a *Agent) consumeWhenKnown(ctx context.Context, told <-chan struct{}, from delivery, incoming *broker.Consumer) error {
	select {
	case <-told:
		return a.consume(ctx, from, incoming)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// consume hands on what comes by a queue; from tells which. When the queue has been
// deleted or its channel closed all is declared again on a new connection.
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
