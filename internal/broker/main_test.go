package broker

import (
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

// connect opens a connection that the test owns.
func connect(t testing.TB, brokerURL string) *amqp.Connection {
	t.Helper()
	c, err := amqp.Dial(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	t.Cleanup(func() {
		select {
		case err := <-closed:
			t.Logf("a connection was closed: %v", err)
		default:
		}
		_ = c.CloseDeadline(time.Now().Add(time.Second))
	})
	return c
}

// queue declares a queue of the test's own, which dies with its connection.
func queue(t testing.TB, brokerURL, name string, maxMessages int) string {
	t.Helper()
	name = "test." + name
	if _, err := DeclareQueue(connect(t, brokerURL), ExclusiveQueue(name, maxMessages, 0)); err != nil {
		t.Fatal(err)
	}
	return name
}

// start runs a function until the test ends, and waits for it.
func start(t testing.TB, run func(ctx context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			panic("it does not end")
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// receive takes one value, in time.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came for 30 s")
		panic("unreachable")
	}
}

// until follows a link's states to one that satisfies the condition.
func until(t testing.TB, s *State, what string, ok func(*State) bool) *State {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for !ok(s) {
		select {
		case <-s.Changed():
			s = s.Next()
		case <-timeout:
			t.Fatalf("the link is not %s after 60 s, but %s: %v", what, s.Phase, s.Err)
		}
	}
	return s
}

func isUp(s *State) bool { return s.Phase == Up }

// A proxy forwards TCP to a broker until a test freezes it. Then it keeps its connections
// open and forwards nothing, like a firewall that has dropped their state. With an idle
// timeout it closes a connection whose one direction has been silent for so long, like a
// load balancer.
type proxy struct {
	t        testing.TB
	idle     time.Duration // the idle timeout; 0 for none
	packets  atomic.Int64  // forwarded so far
	listener net.Listener
	target   string
	frozen   chan struct{}
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

func newProxy(t testing.TB, brokerURL string) *proxy {
	t.Helper()
	return newIdleProxy(t, brokerURL, 0)
}

func newIdleProxy(t testing.TB, brokerURL string, idle time.Duration) *proxy {
	t.Helper()
	u, err := url.Parse(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: l, target: u.Host, idle: idle, frozen: make(chan struct{})}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// url is the broker's URL through the proxy.
func (p *proxy) url(brokerURL string) string {
	u, _ := url.Parse(brokerURL)
	u.Host = p.listener.Addr().String()
	return u.String()
}

func (p *proxy) freeze() { close(p.frozen) }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.running.Go(func() { p.forward(client, server) })
		p.running.Go(func() { p.forward(server, client) })
	}
}

func (p *proxy) forward(from, to net.Conn) {
	buf := make([]byte, 4096)
	for {
		if p.idle > 0 {
			if err := from.SetReadDeadline(time.Now().Add(p.idle)); err != nil {
				return
			}
		}
		n, err := from.Read(buf)
		p.packets.Add(1)
		select {
		case <-p.frozen:
			return // and leave both open
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
