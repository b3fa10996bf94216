package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// closeTime is what a session gets to end, and then its connection to say
// goodbye, before the socket is closed under them. A broker that is well takes
// milliseconds.
const closeTime = 3 * time.Second

// A Link is the actor that keeps one connection to a broker.
type Link struct {
	endpoints []endpoint
	opts      Options
	// latest is a one-slot channel in which the newest state lies: Run
	// exchanges it, State looks at it.
	latest chan *State

	coalesce atomic.Int64 // nanoseconds; see Coalesce
}

// A Session is one connection of a link, for the function given to Run.
type Session struct {
	Conn *amqp.Connection
	URL  string // without the password
	User string // as whom the broker knows us; empty where only the broker knows, as with a certificate

	cork *cork // of Conn; nil where the connection is not a link's

	// Of the Publisher that serves the session: one channel of it may follow another,
	// and the library waits for every listener of the connection.
	blockings chan amqp.Blocking // the library closes it
	blocked   bool

	ready chan struct{} // session → link, one slot: to say it once is enough
}

// Ready says that the topology is declared and the session does its work: the
// link is Up. A session that has not called it within Options.SetupTimeout
// loses its connection.
func (s *Session) Ready() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// watchBlocked begins to listen for whether the broker takes messages, once.
func (s *Session) watchBlocked() {
	if s.blockings == nil {
		s.blockings = s.Conn.NotifyBlocked(make(chan amqp.Blocking, blockedEvents))
	}
}

func (s *Session) noteBlocked(b amqp.Blocking, ok bool) {
	s.blocked = ok && b.Active
	if !ok {
		s.blockings = nil
	}
}

// NewLink checks the options, with the files of the login, and starts nothing.
func NewLink(opts Options) (*Link, error) {
	eps, err := endpoints(opts)
	if err != nil {
		return nil, err
	}
	for _, ep := range eps {
		if _, err := ep.credentials(); err != nil {
			return nil, err
		}
	}
	l := &Link{endpoints: eps, opts: opts.withDefaults(), latest: make(chan *State, 1)}
	l.latest <- &State{Phase: Connecting, Since: time.Now(), changed: make(chan struct{})}
	return l, nil
}

// State returns the newest state. Any goroutine may ask, before, during and
// after Run.
func (l *Link) State() *State {
	s := <-l.latest
	l.latest <- s
	return s
}

// Coalesce has a pause made whenever all that has come from the broker is read, unless
// it comes in bulk, from now on and on every connection; 0 ends that, but for a pause
// that has begun. It spares the work of being woken for each of many small messages.
// Any goroutine may call it.
func (l *Link) Coalesce(pause time.Duration) { l.coalesce.Store(int64(pause)) }

// Run keeps the link until ctx ends, then returns nil. For each connection it
// calls session, with a context that ends when the connection does; when
// session returns, for whatever reason, its connection is closed and Run dials
// again. Session uses the connection within its call only, and calls Ready.
// What goes wrong is told in State and the log, not returned; Options.Once is
// the exception.
func (l *Link) Run(ctx context.Context, session func(ctx context.Context, s *Session) error) error {
	r := &run{
		endpoints: l.endpoints, opts: l.opts, latest: l.latest,
		session: session, schedule: newSchedule(len(l.endpoints)),
		dial: func(ctx context.Context, ep endpoint, opts Options) (*line, error) {
			return dial(ctx, ep, opts, &l.coalesce)
		},
	}
	return r.loop(ctx)
}

// run is the state of a Run.
type run struct {
	endpoints []endpoint
	opts      Options
	latest    chan *State
	session   func(context.Context, *Session) error
	dial      func(context.Context, endpoint, Options) (*line, error)
	schedule  schedule
	round     []error // what the URLs tried since the last pause gave
	said      string  // the error that the log has already
}

func (r *run) loop(ctx context.Context) error {
	once := r.opts.Once
	deadline := time.Now().Add(probeTime)
	for {
		opts := r.opts
		if once {
			opts = opts.hurry(time.Until(deadline), len(r.endpoints)-len(r.round))
		}
		ready, err := r.try(ctx, r.endpoints[r.schedule.at], opts)
		if ctx.Err() != nil {
			return nil
		}
		r.round = append(r.round, err)
		pause := r.schedule.after(ready)
		if pause == 0 {
			continue
		}
		err = gather(r.round)
		r.round = nil
		if once && ready == 0 {
			return err
		}
		once = false
		r.set(Connecting, err, "")
		r.say(ctx, err, pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// hurry gives each of the URLs that are left its share of the time.
func (o Options) hurry(left time.Duration, urls int) Options {
	share := max(left, 0) / time.Duration(max(urls, 1))
	o.DialTimeout = min(o.DialTimeout, share)
	o.SetupTimeout = min(o.SetupTimeout, share)
	return o
}

// try dials one URL and runs a session on it. Ready is how long the link was
// up, 0 if it never was; the error is never nil.
func (r *run) try(ctx context.Context, ep endpoint, opts Options) (ready time.Duration, err error) {
	r.set(Connecting, r.current().Err, ep.redacted)
	line, err := r.dial(ctx, ep, opts)
	if err != nil {
		return 0, err
	}
	b := newBond(r, ep, opts, line)
	return b.keep(ctx)
}

// set appends a state, if it says anything new. An empty url means the same as before.
func (r *run) set(phase Phase, err error, url string) {
	old := <-r.latest
	s := &State{Phase: phase, Since: old.Since, URL: url, Err: err, changed: make(chan struct{})}
	if url == "" {
		s.URL = old.URL
	}
	if phase != old.Phase {
		s.Since = time.Now()
	}
	if s.Phase == old.Phase && s.URL == old.URL && s.Err == old.Err {
		r.latest <- old
		return
	}
	old.next = s
	r.latest <- s
	close(old.changed)
}

// say logs why there is no link: aloud when that is new, so that a broker which
// is away for a night does not fill the log.
func (r *run) say(ctx context.Context, err error, pause time.Duration) {
	level, text := slog.LevelWarn, firstLine(err)
	if text == r.said {
		level = slog.LevelDebug
	}
	r.said = text
	attrs := []slog.Attr{slog.String("error", text), slog.Duration("again_in", pause)}
	if e := (*Error)(nil); errors.As(err, &e) && e.Hint != "" {
		attrs = append(attrs, slog.String("hint", e.Hint))
	}
	r.opts.Log.LogAttrs(ctx, level, "no link to the broker", attrs...)
}

func (r *run) current() *State {
	s := <-r.latest
	r.latest <- s
	return s
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// lost describes the end of a connection that nobody here wanted.
func lost(ep endpoint, e *amqp.Error) error {
	why := "it was closed"
	if e != nil {
		why = e.Reason
	}
	return &Error{
		Kind: ErrLost,
		Text: fmt.Sprintf("the connection to the broker at %s was lost: %s", ep.addr, why),
		Hint: limitHint(why),
		Err:  asError(e),
	}
}

// asError keeps a nil *amqp.Error from becoming an error that is not nil.
func asError(e *amqp.Error) error {
	if e == nil {
		return nil
	}
	return e
}
