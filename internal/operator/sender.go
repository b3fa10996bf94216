package operator

import (
	"context"

	"warren/internal/broker"
	"warren/internal/wire"
)

// sender keeps the connection that publishes. The goroutine of run owns it.
type sender struct {
	link       *broker.Link
	publisher  *broker.Publisher
	noExchange bool // the last session has found no exchange for discover
}

func (s *sender) run(ctx context.Context) error { return s.link.Run(ctx, s.session) }

// session publishes on one connection. If the exchange for discover has been deleted, the
// broker ends the session, and the next session declares the exchange.
func (s *sender) session(ctx context.Context, session *broker.Session) error {
	if s.noExchange {
		if err := broker.DeclareExchange(session.Conn, wire.ExchangeDiscover, "fanout"); err != nil {
			return err
		}
	}
	session.Ready()
	err := s.publisher.Serve(ctx, session)
	s.noExchange = broker.IsNotFound(err)
	return err
}
