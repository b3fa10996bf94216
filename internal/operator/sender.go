package operator

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/wire"
)

// sender keeps the connection that publishes. The goroutine of run owns it.
//
// Inboxes have a publisher, and so a channel, of their own. A channel waits for the queue
// that it publishes to, and the client library passes confirmations on in the order of
// publishing. So one inbox without a leader would hold up all requests behind it.
type sender struct {
	link       *broker.Link
	publisher  *broker.Publisher
	inboxes    *broker.Publisher
	noExchange bool // the last session has not found an exchange of requests
}

func (s *sender) run(ctx context.Context) error { return s.link.Run(ctx, s.session) }

// session publishes on one connection. If an exchange of requests has been deleted, the broker
// ends the session, and the next session declares the exchanges.
func (s *sender) session(ctx context.Context, session *broker.Session) error {
	if s.noExchange {
		err := errors.Join(
			broker.DeclareExchange(session.Conn, wire.ExchangeHosts, "topic"),
			broker.DeclareExchange(session.Conn, wire.ExchangeDiscover, "fanout"),
		)
		if err != nil {
			return err
		}
	}
	session.Ready()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.publisher.Serve(ctx, session) })
	g.Go(func() error { return s.inboxes.Serve(ctx, session) })
	err := g.Wait()
	s.noExchange = broker.IsNotFound(err)
	return err
}
