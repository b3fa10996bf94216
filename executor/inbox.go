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

// inboxTTL is how long the broker keeps an inbox without a consumer.
const inboxTTL = 30 * 24 * time.Hour

// readInbox reads the inbox as long as the agent holds its host queue, so that no other agent
// reads it. It has its own connection, since a quorum queue without a leader blocks its
// reader, or makes RabbitMQ close the connection, and the host queue must be served.
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

// longestDrain is how long jobs wait for the end of the inbox if messages come as fast as they are read.
const longestDrain = time.Minute

// inboxSession declares the inbox, reads it to its end, and then consumes it.
//
// The inbox may have a run and its cancel. The run must not begin before the cancel was read,
// so jobs are held until the end, or at least until everything was read that was there at first.
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
	read, first, late := uint32(0), uint32(0), time.Now().Add(longestDrain)
	more := true
	for more && (read <= first || time.Now().Before(late)) {
		err := broker.CallWithTimeout(s.Conn, broker.CallTimeout, func() (err error) {
			from.Delivery, more, err = ch.Get(queue, false)
			return err
		})
		if err != nil {
			return err
		}
		s.Ready() // it has a leader
		if more {
			if read++; read == 1 {
				first = from.MessageCount // behind this one
			}
			select {
			case a.deliveries <- from:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if more {
		a.cfg.Log.Warn("messages come into the inbox as fast as they are read; its jobs begin", "queue", queue, "read", read)
	} else {
		a.cfg.Log.Info("the inbox was read to its end", "queue", queue)
	}
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

// inboxArgs returns the arguments of the inbox for a broker with these server properties.
// RabbitMQ drops messages that were returned too often: since version 4 after 20 times, unless
// the limit is -1. Earlier versions have no limit by default, and take -1 as one.
func inboxArgs(server amqp.Table) amqp.Table {
	args := amqp.Table{"x-queue-type": "quorum", "x-expires": inboxTTL.Milliseconds()}
	version, _ := server["version"].(string)
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 4 {
		args["x-delivery-limit"] = int64(-1)
	}
	return args
}
