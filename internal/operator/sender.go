package operator

import (
	"context"
	"errors"

	"warren/internal/broker"
	"warren/internal/wire"
)

// sender keeps the connection that publishes. The goroutine of run owns it.
type sender struct {
	link       *broker.Link
	publisher  *broker.Publisher
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
	err := s.publisher.Serve(ctx, session)
	s.noExchange = broker.IsNotFound(err)
	return err
}
