package broker

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/hint"
	"warren/internal/testlab/rabbit/rabbittest"
)

func newLink(t testing.TB, opts Options) *Link {
	t.Helper()
	l, err := NewLink(opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// idle is a session that is ready at once and does nothing.
func idle(ctx context.Context, s *Session) error {
	s.Ready()
	<-ctx.Done()
	return nil
}

// deadPort is a port where nothing listens.
func deadPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func withUser(t testing.TB, brokerURL string, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	return u.String()
}

// connectOnce runs a link until its session is ready. It returns why there is none.
func connectOnce(t *testing.T, opts dial.Options) error {
	t.Helper()
	l, err := NewLink(Options{Dial: opts, Once: true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return l.Run(ctx, func(context.Context, *Session) error {
		cancel()
		return nil
	})
}

func TestOnceReturnsWhyThereIsNoLink(t *testing.T) {
	t.Parallel() // it waits most of its time
	good := rabbittest.URL(t)
	u, _ := url.Parse(good)
	dead := deadPort(t)
	silent := newProxy(t, good)
	silent.freeze()
	badVhost := *u
	badVhost.Path = "/no-such-vhost"

	for _, c := range []struct {
		name string
		urls []string
		kind error
		text string
	}{
		{"good", []string{good}, nil, ""},
		{"dead port", []string{"amqp://x:hush@" + dead}, dial.ErrUnreachable, "no broker at " + dead + ": connection refused"},
		{"no such host", []string{"amqp://x:hush@no-such-host.invalid"}, dial.ErrUnreachable, "no broker at no-such-host.invalid:5672: "},
		{"wrong password", []string{withUser(t, good, url.UserPassword("guest", "hush"))}, dial.ErrAccessRefused, "the broker at " + u.Host + ` refused user "guest"`},
		{"no such vhost", []string{badVhost.String()}, dial.ErrVhost, `virtual host "no-such-vhost"`},
		{"first dead", []string{"amqp://" + dead, good}, nil, ""},
		{"first silent", []string{silent.url(good), good}, nil, ""},
		{"refusal counts more", []string{"amqp://" + dead, withUser(t, good, url.UserPassword("nobody", "hush"))}, dial.ErrAccessRefused, "none of 2 brokers can be used: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			err := connectOnce(t, dial.Options{URLs: c.urls})
			if c.kind == nil { // within onceTimeout, or else there would be an error
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if took := time.Since(began); took > 4*onceTimeout { // not for ever, on a busy machine too
				t.Errorf("it took %v", took)
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || hint.First(err) == "" {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(hint.Text(err), "hush") {
				t.Fatalf("the error contains the password: %v", err)
			}
		})
	}
}

func TestLinkComesBack(t *testing.T) {
	node := rabbittest.Node(t)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{"amqp://" + deadPort(t), node.URL()}, Name: "test"}})
	ended := make(chan error, 1)
	stop := start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(ctx context.Context, s *Session) error {
			if strings.Contains(s.URL, "guest:") {
				t.Errorf("the session's URL contains the password: %s", s.URL)
			}
			err := idle(ctx, s)
			ended <- context.Cause(ctx)
			return err
		})
	})
	first := l.State()
	up := until(t, first, "up", isUp)
	if up.URL == "" || up.Err != nil {
		t.Errorf("state %+v", up)
	}
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, ended); !errors.Is(err, ErrLost) {
		t.Errorf("the session's context ended with %v", err)
	}
	down := until(t, up, "down", func(s *State) bool { return s.Phase == Connecting })
	if !errors.Is(down.Err, ErrLost) {
		t.Errorf("first state after the loss: %v", down.Err)
	}
	refused := until(t, down, "refused", func(s *State) bool { return errors.Is(s.Err, dial.ErrUnreachable) })
	if !refused.Since.Equal(down.Since) {
		t.Errorf("the outage began at %v, not at %v", down.Since, refused.Since)
	}
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, refused, "up again", isUp)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := l.State(); s.Phase != Connecting || s.Err != nil {
		t.Errorf("after Run the link is %s: %v", s.Phase, s.Err)
	}
}

func TestSessionsErrorIsTheState(t *testing.T) {
	u := rabbittest.URL(t)
	name := queue(t, u, "session", 1)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{u}}})
	start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(_ context.Context, s *Session) error {
			_, err := DeclareQueue(s.Conn, ExclusiveQueue(name, 1, 0))
			return err
		})
	})
	s := until(t, l.State(), "refused", func(s *State) bool { return s.Err != nil })
	if !errors.Is(s.Err, ErrTaken) {
		t.Errorf("got %v", s.Err)
	}
}

func TestOnce(t *testing.T) {
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{"amqp://" + deadPort(t)}}, Once: true})
	if err := l.Run(t.Context(), idle); !errors.Is(err, dial.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	l = newLink(t, Options{Dial: dial.Options{URLs: []string{rabbittest.URL(t)}}, Once: true})
	stop := start(t, func(ctx context.Context) error { return l.Run(ctx, idle) })
	until(t, l.State(), "up", isUp)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A session that waits for an answer on a link gone silent is freed.
func TestSetupTimeout(t *testing.T) {
	t.Parallel() // it waits most of its time
	u := rabbittest.URL(t)
	p := newProxy(t, u)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{p.url(u)}, DialTimeout: time.Second}, SetupTimeout: 300 * time.Millisecond})
	start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(_ context.Context, s *Session) error {
			p.freeze()
			_, err := s.Conn.Channel() // knows no bound
			return err
		})
	})
	until(t, l.State(), "timed out", func(s *State) bool { return errors.Is(s.Err, ErrTimeout) })
}

// The same for a single call.
func TestCallWithTimeout(t *testing.T) {
	u := rabbittest.URL(t)
	p := newProxy(t, u)
	c := connect(t, p.url(u))
	p.freeze()
	err := CallWithTimeout(c, 200*time.Millisecond, func() error {
		_, err := c.Channel()
		return err
	})
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if err := CallWithTimeout(c, time.Minute, func() error { return nil }); err != nil {
		t.Errorf("a quick call gives %v", err)
	}
}

// Heartbeats end a link whose peer has gone silent. A link that is stopped before that does
// not wait for the peer to confirm the close.
func TestHalfOpenLink(t *testing.T) {
	t.Parallel() // it waits most of its time
	u := rabbittest.URL(t)
	p := newProxy(t, u)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{p.url(u)}, Heartbeat: 2 * time.Second, DialTimeout: time.Second}})
	stop := start(t, func(ctx context.Context) error { return l.Run(ctx, idle) })
	up := until(t, l.State(), "up", isUp)
	p.freeze()
	s := until(t, up, "lost", func(s *State) bool { return s.Phase == Connecting })
	if !errors.Is(s.Err, ErrLost) {
		t.Errorf("got %v", s.Err)
	}
	_ = stop()

	for name, session := range map[string]func(context.Context, *Session) error{
		"that waits for its context": idle,
		"that waits for the broker": func(ctx context.Context, s *Session) error {
			s.Ready()
			<-ctx.Done()
			_, err := s.Conn.Channel()
			return err
		},
	} {
		p := newProxy(t, u)
		t.Logf("a session %s", name)
		l := newLink(t, Options{Dial: dial.Options{URLs: []string{p.url(u)}, Heartbeat: time.Hour}})
		stop := start(t, func(ctx context.Context) error { return l.Run(ctx, session) })
		until(t, l.State(), "up", isUp)
		p.freeze()
		_ = stop() // panics long before the broker's heartbeats would end the link
	}
}

// Heartbeats keep a link open through a load balancer with an idle timeout. If the timeout is
// shorter than the heartbeat, the link is lost and comes back, and its errors say what to check.
func TestLinkThroughIdleTimeout(t *testing.T) {
	t.Parallel() // it waits most of its time
	u := rabbittest.URL(t)
	open := func(heartbeat, idleTimeout time.Duration) (*proxy, *State) {
		p := newIdleProxy(t, u, idleTimeout)
		l := newLink(t, Options{Dial: dial.Options{URLs: []string{p.url(u)}, Heartbeat: heartbeat}})
		stop := start(t, func(ctx context.Context) error { return l.Run(ctx, idle) })
		t.Cleanup(func() { _ = stop() })
		return p, until(t, l.State(), "up", isUp)
	}
	// A busy machine may delay heartbeats so much that they end a link. Without any, the proxy would end each.
	for began := time.Now(); !carries(open(time.Second, 3*time.Second)); {
		if time.Since(began) > time.Minute {
			t.Fatal("each link was lost in spite of its heartbeats")
		}
	}

	_, up := open(time.Minute, time.Second)
	lost := until(t, up, "lost", func(s *State) bool { return s.Phase == Connecting })
	if !errors.Is(lost.Err, ErrLost) {
		t.Errorf("got %v", lost.Err)
	}
	until(t, lost, "up again", isUp)
	until(t, lost, "lost again and again, with a hint", func(s *State) bool {
		return s.Phase == Connecting && strings.Contains(hint.First(s.Err), "idle timeout")
	})
}

// carries reports whether a link stays up while the proxy forwards more heartbeats than pass within its
// idle timeout.
func carries(p *proxy, up *State) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begin := p.packets.Load(); p.packets.Load() < begin+20; <-tick.C { // two or more a second in each direction
		select {
		case <-up.Changed():
			return false
		default:
		}
	}
	return true
}

// A connection that was dropped silently still holds its names when the next one comes.
func TestIdleTimeoutIsNamedAlthoughNamesAreHeld(t *testing.T) {
	silent := &Error{Kind: ErrLost, Message: "it was lost", Err: errSilentEnd}
	held := &Error{Kind: ErrTaken, Message: "the queue is held"}
	var r linkRun
	for range maxSilentEnds {
		if got := hint.First(r.explain(silent, time.Minute)); got != "" {
			t.Errorf("hint %q of an end that a broker may cause that restarts", got)
		}
		if got := r.explain(held, 0); got != error(held) { //nolint:errorlint // the same error
			t.Errorf("got %v", got)
		}
	}
	if got := hint.First(r.explain(silent, time.Minute)); !strings.Contains(got, "idle timeout") {
		t.Errorf("hint %q", got)
	}
	if got := hint.First(r.explain(silent, 2*idleLife)); got != "" {
		t.Errorf("hint %q of the end of a long connection", got)
	}
}

// Stopping at any moment ends Run, with nothing left behind (see TestMain).
func TestStartStop(t *testing.T) {
	u := rabbittest.URL(t)
	p := NewPublisher(4)
	for i := range 80 {
		l := newLink(t, Options{Dial: dial.Options{URLs: []string{u}}})
		stop := start(t, func(ctx context.Context) error {
			return l.Run(ctx, func(ctx context.Context, s *Session) error {
				s.Ready()
				return p.Serve(ctx, s)
			})
		})
		// From before the dial to after the session is up.
		if i%4 == 0 {
			until(t, l.State(), "up", isUp)
		} else {
			<-time.After(time.Duration(i) * 200 * time.Microsecond)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}
