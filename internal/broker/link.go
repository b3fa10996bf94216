package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/hint"
)

// closeTimeout is how long a session may take to end, and then its connection to close,
// before the socket is closed. A healthy broker takes milliseconds.
const closeTimeout = 3 * time.Second

// onceTimeout is how long a program that runs one command looks for a broker.
const onceTimeout = 5 * time.Second

// Options describe a link. Only Dial.URLs is required.
type Options struct {
	// Dial says how to reach the broker. The link tries its URLs in turn.
	Dial dial.Options

	SetupTimeout time.Duration // from login to Session.Ready; default 30 s

	// Once makes Run return the error if the first round through the URLs brings no
	// connection within 5 s. Run repairs later losses as always.
	Once bool

	Log *slog.Logger // nil logs nothing
}

func (o Options) withDefaults() Options {
	o.Dial = o.Dial.WithDefaults()
	if o.SetupTimeout == 0 {
		o.SetupTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// withDeadline shares the time that is left evenly between the URLs that are left.
func (o Options) withDeadline(left time.Duration, urls int) Options {
	share := max(left, 0) / time.Duration(max(urls, 1))
	o.Dial.DialTimeout = min(o.Dial.DialTimeout, share)
	o.SetupTimeout = min(o.SetupTimeout, share)
	return o
}

// A Link is the actor that keeps one connection to a broker.
type Link struct {
	endpoints []dial.Endpoint
	opts      Options
	states    *stateList
}

// NewLink checks the options, with the files of the login, and starts nothing.
func NewLink(opts Options) (*Link, error) {
	eps, err := dial.Endpoints(opts.Dial)
	if err != nil {
		return nil, err
	}
	for _, ep := range eps {
		if err := ep.CheckFiles(); err != nil {
			return nil, err
		}
	}
	return &Link{endpoints: eps, opts: opts.withDefaults(), states: newStateList()}, nil
}

// State returns the newest state. Any goroutine may ask, before, during and after Run.
func (l *Link) State() *State { return l.states.latest() }

// Run keeps the link until ctx ends, then returns nil. For each connection it calls
// session with a context that ends when the connection does. When session returns, for
// whatever reason, Run closes its connection and dials again. The session must use the
// connection only within its call, and must call Ready. State and the log report
// errors; Run returns none, except with Options.Once.
func (l *Link) Run(ctx context.Context, session func(ctx context.Context, s *Session) error) error {
	r := &linkRun{
		endpoints: l.endpoints, opts: l.opts, states: l.states,
		session: session, schedule: newSchedule(len(l.endpoints)), dial: dial.Dial,
	}
	return r.loop(ctx)
}

// linkRun is the state of one Run.
type linkRun struct {
	endpoints  []dial.Endpoint
	opts       Options
	states     *stateList // only this goroutine appends
	session    func(context.Context, *Session) error
	dial       func(context.Context, *dial.Endpoint, dial.Options) (*dial.Conn, error)
	schedule   schedule
	round      []error // of the URLs tried since the last pause
	silentEnds int     // see explain
	lastLogged string  // the error that the log has already
}

func (r *linkRun) loop(ctx context.Context) error {
	once := r.opts.Once
	deadline := time.Now().Add(onceTimeout)
	for {
		opts := r.opts
		if once {
			opts = opts.withDeadline(time.Until(deadline), len(r.endpoints)-len(r.round))
		}
		up, err := r.try(ctx, &r.endpoints[r.schedule.next], opts)
		if ctx.Err() != nil {
			return nil
		}
		r.round = append(r.round, err)
		delay := r.schedule.after(up)
		if delay == 0 {
			continue
		}
		err = combineErrors(r.round)
		r.round = nil
		if once && up == 0 {
			return err
		}
		once = false
		r.set(Connecting, err, "")
		r.logOnce(ctx, err, delay)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// try dials one URL and runs a session on the connection. It returns how long the link
// was up, 0 if it never was. The error is never nil.
func (r *linkRun) try(ctx context.Context, ep *dial.Endpoint, opts Options) (up time.Duration, err error) {
	r.set(Connecting, r.states.latest().Err, ep.URL())
	conn, err := r.dial(ctx, ep, opts.Dial)
	if err != nil {
		r.silentEnds = 0
		return 0, err
	}
	return newConnSession(r, ep, opts, conn).run(ctx)
}

// set publishes a state if it differs from the newest. With one URL, a failure that repeats adds
// none. An empty url means the same URL as before.
func (r *linkRun) set(phase Phase, err error, url string) {
	old := r.states.latest()
	s := &State{Phase: phase, Since: old.Since, URL: url, Err: err, changed: make(chan struct{})}
	if url == "" {
		s.URL = old.URL
	}
	if phase != old.Phase {
		s.Since = time.Now()
	}
	if s.Phase == old.Phase && s.URL == old.URL && fmt.Sprint(s.Err) == fmt.Sprint(old.Err) {
		return
	}
	r.states.append(s)
}

// logOnce logs why there is no link. An error that repeats is logged for debugging only,
// so that a broker that is down for a night does not fill the log.
func (r *linkRun) logOnce(ctx context.Context, err error, delay time.Duration) {
	level, text := slog.LevelWarn, err.Error()
	if text == r.lastLogged {
		level = slog.LevelDebug
	}
	r.lastLogged = text
	attrs := []slog.Attr{slog.String("error", text), slog.Duration("again_in", delay)}
	if h := hint.First(err); h != "" {
		attrs = append(attrs, slog.String("hint", h))
	}
	r.opts.Log.LogAttrs(ctx, level, "no link to the broker", attrs...)
}

// lost describes the end of a connection that we did not want to end.
func lost(ep *dial.Endpoint, e *amqp.Error) error {
	why := "it was closed"
	if e != nil {
		why = e.Reason
	}
	cause := asError(e)
	if e == nil || !e.Server {
		cause = errors.Join(errSilentEnd, cause)
	}
	return &Error{
		Kind:    ErrLost,
		Message: fmt.Sprintf("the connection to the broker at %s was lost: %s", ep.Addr(), why),
		Hint:    dial.LimitHint(why),
		Err:     cause,
	}
}

const (
	// A connection that ends without a message from the broker within idleLife may have been
	// closed by a load balancer. Idle timeouts are minutes at most.
	idleLife = 10 * time.Minute
	// maxSilentEnds is how many such ends in a row a broker that restarts may cause.
	maxSilentEnds = 2
)

// explain adds a hint to the error that ended a connection, if connections end again and
// again although the broker can be reached. A session that never was up says nothing about
// that: a broker that has not noticed the end of a connection refuses the names that it holds.
func (r *linkRun) explain(err error, up time.Duration) error {
	if up == 0 {
		return err
	}
	if up > idleLife || !errors.Is(err, errSilentEnd) {
		r.silentEnds = 0
		return err
	}
	if r.silentEnds++; r.silentEnds <= maxSilentEnds {
		return err
	}
	return &Error{
		Kind: ErrLost, Message: err.Error(), Err: err,
		Hint: "a load balancer or firewall may close idle connections: its idle timeout must be longer than the heartbeat, " +
			"which ?heartbeat=SECONDS in the broker's URL sets",
	}
}

// asError keeps a nil *amqp.Error from becoming an error that is not nil.
func asError(e *amqp.Error) error {
	if e == nil {
		return nil
	}
	return e
}
