package executor

import (
	"context"
	"errors"
	"net"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
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
	ch, err := a.take(ctx, g, s.Conn, a.cfg.ID, exchanges, told)
	if err != nil {
		if errors.Is(err, broker.ErrTaken) {
			a.cfg.Log.Warn("another agent answers to this id; trying again", "id", a.cfg.ID,
				"hint", "give each agent an --id of its own, or stop the other")
		}
		return nil, err
	}
	g.Go(func() error { return a.publisher.ServeOn(ctx, s, ch) })
	taken := []string{a.cfg.ID}
	for _, name := range a.furtherNames(s.Conn) {
		_, err := a.take(ctx, g, s.Conn, name, nil, told)
		switch {
		case err == nil:
			taken = append(taken, name)
		case errors.Is(err, broker.ErrTaken), errors.Is(err, broker.ErrForbidden):
			a.cfg.Log.Warn("does not answer to this name", "name", name, "error", err)
		default:
			return nil, err
		}
	}
	return taken, nil
}

// furtherNames are the aliases and the address that the connection leaves from.
func (a *Agent) furtherNames(conn *amqp.Connection) []string {
	names := slices.Clone(a.names[1:])
	if addr, ok := conn.LocalAddr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && !addr.IP.IsLinkLocalUnicast() {
		if name := addr.IP.String(); !slices.Contains(a.names, name) {
			names = append(names, name)
		}
	}
	return names
}

// take declares the queue of one name on a channel of its own, which it returns,
// and consumes it once the loop has been told of all names. With the id's go the
// exchanges.
func (a *Agent) take(ctx context.Context, g *errgroup.Group, conn *amqp.Connection, name string, exchanges []broker.Exchange, told <-chan struct{}) (*amqp.Channel, error) {
	queue := wire.HostQueue(name)
	ch, err := broker.Declare(conn, exchanges, broker.ExclusiveQueue(queue, queueLength, 0))
	if err != nil {
		return nil, err
	}
	var bindings []broker.Binding
	if exchanges != nil {
		bindings = []broker.Binding{{Exchange: wire.ExchangeDiscover}}
	}
	incoming, err := broker.Consume(conn, ch, queue, prefetch, true, bindings...)
	if err != nil {
		return nil, err
	}
	g.Go(func() error {
		select {
		case <-told:
			return a.consume(ctx, delivery{queue: queue, name: name}, incoming)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return ch, nil
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
