package executor

import (
	"context"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/wire"
)

// inboxExpires is how long the broker keeps an inbox that nobody consumes.
const inboxExpires = 30 * 24 * time.Hour

// readInbox reads the inbox as long as the host queue is held, so that no other
// agent does the same. It has a connection of its own: a quorum queue without a
// leader keeps its reader waiting, or has RabbitMQ close the connection, and
// meanwhile the host queue is to be served.
func (a *Agent) readInbox(ctx context.Context) error {
	opts := a.cfg.Broker
	opts.Dial.Name += " inbox"
	opts.Log = a.cfg.Log.With("queue", wire.InboxQueue(a.cfg.ID))
	link, err := broker.NewLink(opts)
	if err != nil {
		return err
	}
	return link.Run(ctx, a.inboxSession)
}

// inboxSession declares the inbox, reads it to its end, and consumes it.
//
// What a cancel in it recalls must not have begun before the cancel is read, so
// jobs are held until the end has been reached.
func (a *Agent) inboxSession(ctx context.Context, s *broker.Session) error {
	queue := wire.InboxQueue(a.cfg.ID)
	binding := broker.Binding{Exchange: wire.ExchangeHosts, Key: wire.InboxKey(a.cfg.ID)}
	ch, err := broker.DeclareQueue(s.Conn, broker.Queue{Name: queue, Durable: true, Args: inboxArgs(s.Conn.Properties)})
	if err != nil {
		return err
	}
	if err := broker.Bind(s.Conn, ch, queue, binding); err != nil {
		return err
	}
	from := delivery{queue: queue, name: a.cfg.ID, inbox: true, held: true}
	for more := true; more; {
		err := broker.CallWithTimeout(s.Conn, broker.CallTimeout, func() (err error) {
			from.Delivery, more, err = ch.Get(queue, false)
			return err
		})
		if err != nil {
			return err
		}
		s.Ready() // it has a leader
		if more {
			select {
			case a.deliveries <- from:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	a.cfg.Log.Info("the inbox was read to its end", "queue", queue)
	select {
	case a.drained <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	incoming, err := broker.Consume(s.Conn, ch, queue, prefetch, false)
	if err != nil {
		return err
	}
	from.held = false
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.consume(ctx, from, incoming) })
	g.Go(func() error {
		return broker.Verify(ctx, s.Conn, verifyInterval, broker.Subscription{Queue: queue, Bindings: []broker.Binding{binding}})
	})
	return g.Wait()
}

// inboxArgs are the inbox's arguments on a broker of these server properties.
// RabbitMQ drops what has been returned too often: from version 4 on after 20
// times unless told -1, before that never unless told a number, which -1 is too.
func inboxArgs(server amqp.Table) amqp.Table {
	args := amqp.Table{"x-queue-type": "quorum", "x-expires": inboxExpires.Milliseconds()}
	version, _ := server["version"].(string)
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 4 {
		args["x-delivery-limit"] = int64(-1)
	}
	return args
}
