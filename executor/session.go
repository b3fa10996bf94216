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
	"warren/internal/hostname"
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

// session declares everything on a new connection, and then consumes and publishes until
// something ends.
func (a *Agent) session(ctx context.Context, s *broker.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		known := make(chan struct{}) // closed when the loop knows the names, and can authorize requests for them
		names, subs, err := a.takeNames(ctx, g, s, known)
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
		g.Go(func() error { return broker.Verify(ctx, s.Conn, verifyInterval, subs...) })
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
func (a *Agent) takeNames(ctx context.Context, g *errgroup.Group, s *broker.Session, known <-chan struct{}) ([]string, []broker.Subscription, error) {
	id := a.take(s.Conn, a.cfg.ID, wire.Exchanges)
	if id.err != nil {
		if errors.Is(id.err, broker.ErrTaken) {
			a.cfg.Log.Warn("another agent answers to this id; trying again", "id", a.cfg.ID,
				"hint", fmt.Sprintf("if that agent is dead or stopped, the broker frees the id within %v; otherwise give each agent an --id of its own",
					freedAfter(s.Conn.Config.Heartbeat)))
		}
		return nil, nil, id.err
	}
	g.Go(func() error { return a.serveID(ctx, s, id, known) })
	names, subs := []string{a.cfg.ID}, []broker.Subscription{id.sub}
	for _, t := range a.takeAll(s.Conn, a.furtherNames(s.Conn)) {
		switch {
		case t.err == nil:
			names, subs = append(names, t.name), append(subs, t.sub)
			g.Go(func() error { return a.consumeWhenKnown(ctx, known, t.from(), t.incoming) })
		case errors.Is(t.err, broker.ErrTaken), errors.Is(t.err, broker.ErrForbidden), errors.Is(t.err, broker.ErrNodeDown):
			a.cfg.Log.Warn("does not answer to this name", "name", t.name, "error", t.err, "hint", hint.First(t.err))
		default:
			return nil, nil, t.err
		}
	}
	return names, subs, nil
}

// freedAfter returns how long the broker keeps a connection whose other end is silent. It checks
// once in each heartbeat interval, and closes the connection at the second check without
// traffic. The other agent is assumed to have the same interval.
func freedAfter(heartbeat time.Duration) time.Duration { return 3 * heartbeat }

// serveID consumes the queue of the id and publishes replies on the same channel. If the broker
// refuses a reply, it closes the channel, and serveID goes on with another.
func (a *Agent) serveID(ctx context.Context, s *broker.Session, id taken, known <-chan struct{}) error {
	for {
		g, both := errgroup.WithContext(ctx)
		g.Go(func() error { return a.consumeWhenKnown(both, known, id.from(), id.incoming) })
		var published error
		g.Go(func() error {
			published = a.publisher.ServeOn(both, s, id.ch)
			return published
		})
		err := g.Wait()
		if !errors.Is(published, broker.ErrRefused) || ctx.Err() != nil {
			return err
		}
		name := brokerName(id.name)
		if id.ch, err = name.Resume(s.Conn, id.sub); err != nil {
			return err
		}
		if err := id.consume(s.Conn); err != nil {
			return err
		}
	}
}

// furtherNames returns the aliases and the local address of the connection.
func (a *Agent) furtherNames(conn *amqp.Connection) []string {
	names := slices.Clone(a.names[1:])
	if addr, ok := conn.LocalAddr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && !addr.IP.IsLinkLocalUnicast() {
		name, err := hostname.Normalize(addr.IP.String())
		if err == nil && !slices.Contains(a.names, name) {
			names = append(names, name)
		}
	}
	return names
}

// A taken is a host name with its queue, channel and consumer, or the reason why the agent cannot
// have it.
type taken struct {
	name     string
	ch       *amqp.Channel
	sub      broker.Subscription
	incoming *broker.Consumer
	err      error
}

// take claims a name, with the exchanges, on a new channel and consumes its queue. Requests to all
// agents arrive in the queue of the id.
func (a *Agent) take(conn *amqp.Connection, name string, exchanges []wire.Exchange) taken {
	t := taken{name: name}
	claim := brokerName(name)
	if t.ch, t.sub, t.err = claim.Claim(conn, exchanges); t.err != nil {
		return t
	}
	if name == a.cfg.ID {
		t.sub.Bindings = append(t.sub.Bindings, broker.Binding{Exchange: wire.ExchangeDiscover})
	}
	t.err = t.consume(conn)
	return t
}

// takeAll takes names at the same time, since the broker may need seconds for a name whose queue
// is on a node that is down.
func (a *Agent) takeAll(conn *amqp.Connection, names []string) []taken {
	all := make([]taken, len(names))
	var g errgroup.Group
	for i, name := range names {
		g.Go(func() error {
			all[i] = a.take(conn, name, nil)
			return nil
		})
	}
	_ = g.Wait()
	return all
}

func (t *taken) consume(conn *amqp.Connection) (err error) {
	t.incoming, err = broker.Consume(conn, t.ch, t.sub.Queue, prefetch, true, t.sub.Bindings...)
	return err
}

// from returns the origin of deliveries to the name.
func (t *taken) from() delivery { return delivery{queue: t.sub.Queue, name: t.name} }

// brokerName returns the queues, keys and probe by which an agent claims a host name.
func brokerName(name string) broker.Name {
	return broker.Name{
		Queue:    func(generation int) string { return wire.HostQueueGeneration(name, generation) },
		Length:   queueLength,
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(name), Later: wire.LaterKey(name),
		Probe: amqp.Publishing{Type: wire.TypeProbe, AppId: wire.AppID, Expiration: "1000"},
	}
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
			if d.Type == wire.TypeProbe || d.Type == wire.TypeChunk {
				if d.Type == wire.TypeChunk && wire.IsAddressed(d.Exchange, d.RoutingKey, d.Type, from.name) {
					a.contents.Pass(d)
				}
				_ = d.Ack(false) // if it fails the channel ends, and so do the deliveries
				continue
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
