package broker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
)

// A Session is one connection of a link, for the function given to Run.
type Session struct {
	Conn *amqp.Connection
	URL  string // without the password
	User string // the login's name at the broker; empty if only the broker knows it, as with a certificate

	cork *dial.Cork // of Conn; nil if the connection is not a link's

	ready chan struct{} // session → link, one slot: one message is enough
}

// Ready reports that the topology is declared and the session does its work: the link
// is Up. A session that does not call it within Options.SetupTimeout loses its
// connection.
func (s *Session) Ready() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// A connSession is one connection of a link and the session on it.
type connSession struct {
	link    *linkRun
	ep      *dial.Endpoint
	opts    Options
	conn    *dial.Conn
	session *Session

	closed  chan *amqp.Error   // library → run; closed by the library
	blocked chan amqp.Blocking // library → run; closed by the library
	done    chan error         // session's goroutine → run, one slot: its only message

	isBlocked bool
	upSince   time.Time // zero until the session is ready
	why       error     // why the connection ended, once it has
}

func newConnSession(r *linkRun, ep *dial.Endpoint, opts Options, c *dial.Conn) *connSession {
	return &connSession{
		link: r, ep: ep, opts: opts, conn: c,
		session: &Session{Conn: c.AMQP, cork: c.Cork, URL: ep.URL(), User: ep.KnownUser(), ready: make(chan struct{}, 1)},
		closed:  c.AMQP.NotifyClose(make(chan *amqp.Error, 1)),
		blocked: c.AMQP.NotifyBlocked(make(chan amqp.Blocking, 1)),
		done:    make(chan error, 1),
	}
}

// run runs the session, and returns once the session has returned. A session that
// ignores its context gets an error from whatever it waits for when its connection ends.
func (c *connSession) run(ctx context.Context) (up time.Duration, err error) {
	sessionCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { c.done <- c.link.session(sessionCtx, c.session) }()

	setup := time.NewTimer(c.opts.SetupTimeout)
	defer setup.Stop()
	var force <-chan time.Time
	stop := ctx.Done()
	for {
		select {
		case err := <-c.done:
			return c.end(ctx, err)
		case e := <-c.closed: // also nil, when the library closes the channel
			c.closed = nil
			if c.why == nil { // otherwise we closed the connection, and know why
				c.why = lost(c.ep, e)
			}
			// The library closes the socket only once it holds each channel's lock. A
			// blocked publish holds one.
			c.conn.CloseSocket()
			cancel(c.why)
		case e, ok := <-c.blocked:
			if !ok {
				c.blocked = nil
				continue
			}
			c.noteBlocked(e)
		case <-c.session.ready:
			if c.upSince.IsZero() {
				setup.Stop()
				c.noteUp()
			}
		case <-setup.C:
			c.why = &Error{
				Kind:    ErrTimeout,
				Message: fmt.Sprintf("the broker at %s did not let the session be set up within %v", c.ep.Addr(), c.opts.SetupTimeout),
			}
			c.conn.CloseSocket()
			cancel(c.why)
		case <-stop:
			stop = nil
			timer := time.NewTimer(closeTimeout)
			defer timer.Stop()
			force = timer.C
		case <-force:
			c.conn.CloseSocket()
		}
	}
}

func (c *connSession) noteUp() {
	c.upSince = time.Now()
	c.link.lastLogged = ""
	c.link.opts.Log.Info("link to the broker is up", slog.String("url", c.ep.URL()))
	if c.isBlocked {
		return
	}
	c.link.set(Up, nil, "")
}

func (c *connSession) noteBlocked(e amqp.Blocking) {
	c.isBlocked = e.Active
	if c.upSince.IsZero() {
		return
	}
	if !e.Active {
		c.link.opts.Log.Info("the broker takes messages again", slog.String("url", c.ep.URL()))
		c.link.set(Up, nil, "")
		return
	}
	c.link.opts.Log.Warn("the broker takes no messages", slog.String("url", c.ep.URL()), slog.String("reason", e.Reason))
	c.link.set(Blocked, &Error{
		Kind:    ErrBlocked,
		Message: fmt.Sprintf("the broker at %s takes no messages for now: %s", c.ep.Addr(), e.Reason),
		Hint:    "rabbitmqctl status shows its memory and disk alarms",
	}, "")
}

// end closes what is left after the session has returned err.
func (c *connSession) end(ctx context.Context, err error) (up time.Duration, _ error) {
	c.conn.Close(closeTimeout)
	// Both channels close once the library has torn the connection down.
	for e := range orClosed(c.closed) {
		if err == nil {
			err = lost(c.ep, e)
		}
	}
	for range orClosed(c.blocked) {
	}
	if c.why != nil {
		err = c.why
	}
	if err == nil {
		err = &Error{Kind: ErrLost, Message: fmt.Sprintf("the session with the broker at %s ended", c.ep.Addr())}
	}
	if !c.upSince.IsZero() {
		up = max(time.Since(c.upSince), 1)
	}
	err = c.link.explain(err, up)
	if ctx.Err() != nil {
		c.link.set(Connecting, nil, "") // we wanted it: nothing to explain
	} else {
		c.link.set(Connecting, err, "")
	}
	return up, err
}

// orClosed replaces nil, for a channel already seen closed, by a closed channel, so that
// a range over it ends at once.
func orClosed[T any](c chan T) chan T {
	if c == nil {
		c = make(chan T)
		close(c)
	}
	return c
}
