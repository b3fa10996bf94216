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

// exchanges are those that requests and replies go by.
var exchanges = []broker.Exchange{{Name: wire.ExchangeReplies, Kind: "topic"}, {Name: wire.ExchangeHosts, Kind: "topic"}, {Name: wire.ExchangeDiscover, Kind: "fanout"}}

// session is one connection's life: declare everything, then consume and
// publish until something ends.
func (a *Agent) session(ctx context.Context, s *broker.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		told := make(chan struct{}) // the loop knows the names: what comes for them may be judged
		names, subs, err := a.answer(ctx, g, s, told)
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
		g.Go(func() error { return broker.Verify(ctx, s.Conn, verifyInterval, subs...) })
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
func (a *Agent) answer(ctx context.Context, g *errgroup.Group, s *broker.Session, told <-chan struct{}) ([]string, []broker.Subscription, error) {
	id := a.take(s.Conn, a.cfg.ID, exchanges)
	if id.err != nil {
		if errors.Is(id.err, broker.ErrTaken) {
			a.cfg.Log.Warn("another agent answers to this id; trying again", "id", a.cfg.ID,
				"hint", fmt.Sprintf("if that agent is dead or stopped, the broker frees the id within %v; otherwise give each agent an --id of its own",
					freedAfter(s.Conn.Config.Heartbeat)))
		}
		return nil, nil, id.err
	}
	g.Go(func() error { return a.serveID(ctx, s, id, told) })
	names, subs := []string{a.cfg.ID}, []broker.Subscription{id.sub}
	for _, t := range a.takeAll(s.Conn, a.furtherNames(s.Conn)) {
		switch {
		case t.err == nil:
			names, subs = append(names, t.name), append(subs, t.sub)
			g.Go(func() error { return a.consumeWhenKnown(ctx, told, t.from(), t.incoming) })
		case errors.Is(t.err, broker.ErrTaken), errors.Is(t.err, broker.ErrForbidden), errors.Is(t.err, broker.ErrNodeDown):
			a.cfg.Log.Warn("does not answer to this name", "name", t.name, "error", t.err, "hint", hint.First(t.err))
		default:
			return nil, nil, t.err
		}
	}
	return names, subs, nil
}

// freedAfter is how long the broker believes in a connection whose other end is
// silent: it looks once in each heartbeat interval, and gives up at the second time
// that nothing has come. The other agent's interval is taken to be this one's.
func freedAfter(heartbeat time.Duration) time.Duration { return 3 * heartbeat }

// serveID consumes the id's queue and publishes replies on the same channel. A reply
// that the broker refuses costs that channel, and another takes over.
func (a *Agent) serveID(ctx context.Context, s *broker.Session, id taken, told <-chan struct{}) error {
	for {
		g, both := errgroup.WithContext(ctx)
		g.Go(func() error { return a.consumeWhenKnown(both, told, id.from(), id.incoming) })
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

// A taken name has a queue, a channel and a consumer, or the reason why not.
type taken struct {
	name     string
	ch       *amqp.Channel
	sub      broker.Subscription
	incoming *broker.Consumer
	err      error
}

// take claims a name on a channel of its own and consumes its queue. With the id's go
// the exchanges. The id's queue is where questions to all agents arrive, too.
func (a *Agent) take(conn *amqp.Connection, name string, exchanges []broker.Exchange) taken {
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

// takeAll takes names at the same time: the broker may need seconds for one whose queue
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

// from says where the deliveries come from.
func (t *taken) from() delivery { return delivery{queue: t.sub.Queue, name: t.name} }

// brokerName is how the broker knows a host name.
func brokerName(name string) broker.Name {
	return broker.Name{
		Queue:    func(generation int) string { return wire.HostQueueGeneration(name, generation) },
		Length:   queueLength,
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(name), Later: wire.LaterKey(name),
		Probe: amqp.Publishing{Type: wire.TypeProbe, AppId: wire.AppID, Expiration: "1000"},
	}
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
			if d.Type == wire.TypeProbe {
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
