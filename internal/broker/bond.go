package broker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A bond is one connection of a link and the session on it.
type bond struct {
	run     *run
	ep      endpoint
	opts    Options
	conn    *amqp.Connection
	raw     *conn
	session *Session

	closed  chan *amqp.Error   // library → keep; closed by the library
	blocked chan amqp.Blocking // library → keep; closed by the library
	done    chan error         // session's goroutine → keep, one slot: its only message

	isBlocked bool
	upSince   time.Time // zero until the session is ready
	why       error     // why the connection ended, once it has
}

func newBond(r *run, ep endpoint, opts Options, l *line) *bond {
	return &bond{
		run: r, ep: ep, opts: opts, conn: l.amqp, raw: l.raw,
		session: &Session{Conn: l.amqp, cork: l.cork, URL: ep.redacted, User: ep.knownUser(), ready: make(chan struct{}, 1)},
		closed:  l.amqp.NotifyClose(make(chan *amqp.Error, 1)),
		blocked: l.amqp.NotifyBlocked(make(chan amqp.Blocking, 1)),
		done:    make(chan error, 1),
	}
}

// keep runs the session until it returns, and returns only then. A session
// that does not heed its context is freed from whatever it waits for by the
// end of its connection.
func (b *bond) keep(ctx context.Context) (up time.Duration, err error) {
	sctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { b.done <- b.run.session(sctx, b.session) }()

	setup := time.NewTimer(b.opts.SetupTimeout)
	defer setup.Stop()
	var force <-chan time.Time
	stop := ctx.Done()
	for {
		select {
		case err := <-b.done:
			return b.end(ctx, err)
		case e := <-b.closed: // nil, from the channel's end, too
			b.closed = nil
			if b.why == nil { // else we closed it ourselves, and know why
				b.why = lost(b.ep, e)
			}
			// The library closes the socket only once it has got hold of each
			// channel's lock, which a blocked publish keeps.
			b.raw.Close()
			cancel(b.why)
		case e, ok := <-b.blocked:
			if !ok {
				b.blocked = nil
				continue
			}
			b.noteBlocked(e)
		case <-b.session.ready:
			if b.upSince.IsZero() {
				setup.Stop()
				b.noteUp()
			}
		case <-setup.C:
			b.why = &Error{
				Kind: ErrTimeout,
				Text: fmt.Sprintf("the broker at %s did not let the session be set up within %v", b.ep.addr, b.opts.SetupTimeout),
			}
			b.raw.Close()
			cancel(b.why)
		case <-stop:
			stop = nil
			timer := time.NewTimer(closeTime)
			defer timer.Stop()
			force = timer.C
		case <-force:
			b.raw.Close()
		}
	}
}

func (b *bond) noteUp() {
	b.upSince = time.Now()
	b.run.said = ""
	b.run.opts.Log.Info("link to the broker is up", slog.String("url", b.ep.redacted))
	if b.isBlocked {
		return
	}
	b.run.set(Up, nil, "")
}

func (b *bond) noteBlocked(e amqp.Blocking) {
	b.isBlocked = e.Active
	if b.upSince.IsZero() {
		return
	}
	if !e.Active {
		b.run.opts.Log.Info("the broker takes messages again", slog.String("url", b.ep.redacted))
		b.run.set(Up, nil, "")
		return
	}
	b.run.opts.Log.Warn("the broker takes no messages", slog.String("url", b.ep.redacted), slog.String("reason", e.Reason))
	b.run.set(Blocked, &Error{
		Kind: ErrBlocked,
		Text: fmt.Sprintf("the broker at %s takes no messages for now: %s", b.ep.addr, e.Reason),
		Hint: "rabbitmqctl status shows its memory and disk alarms",
	}, "")
}

// end closes what is left after the session has returned with err.
func (b *bond) end(ctx context.Context, err error) (up time.Duration, _ error) {
	_ = b.conn.CloseDeadline(time.Now().Add(closeTime)) // an error says that it is closed already
	b.raw.Close()
	// Both end once the library has torn the connection down.
	for e := range orClosed(b.closed) {
		if err == nil {
			err = lost(b.ep, e)
		}
	}
	for range orClosed(b.blocked) {
	}
	if b.why != nil {
		err = b.why
	}
	if err == nil {
		err = &Error{Kind: ErrLost, Text: fmt.Sprintf("the session with the broker at %s ended", b.ep.addr)}
	}
	if ctx.Err() != nil {
		b.run.set(Connecting, nil, "") // on our own wish: nothing to explain
	} else {
		b.run.set(Connecting, err, "")
	}
	if b.upSince.IsZero() {
		return 0, err
	}
	return max(time.Since(b.upSince), 1), err
}

// orClosed makes ranging over a channel that was seen to close end at once.
func orClosed[T any](c chan T) chan T {
	if c == nil {
		c = make(chan T)
		close(c)
	}
	return c
}
