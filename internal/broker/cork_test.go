package broker

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/testlab/rabbit/rabbittest"
)

// counter counts writes, and remembers the last.
type counter struct {
	net.Conn
	n    atomic.Int32
	last atomic.Pointer[[]byte]
}

func (c *counter) Write(b []byte) (int, error) {
	c.n.Add(1)
	c.last.Store(new(bytes.Clone(b)))
	return c.Conn.Write(b)
}

// What a publication acknowledges is acknowledged, in one write with it.
func TestAcksLeaveWithThePublication(t *testing.T) {
	s, c := corked(t)
	ch, queue := ownQueue(t, s.Conn)
	p := NewPublisher(0)
	stop := start(t, func(ctx context.Context) error { return p.ServeOn(ctx, s, ch) })
	receive(t, publish(t, p, Publication{Key: queue, Mandatory: true}))
	d, ok, err := ch.Get(queue, false)
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	before := c.n.Load()
	if v := receive(t, publish(t, p, Publication{Key: "test.nobody", Mandatory: true, Acks: []amqp.Delivery{d}})); v.Kind != Returned {
		t.Fatalf("verdict %+v", v)
	}
	if n := c.n.Load() - before; n != 1 {
		t.Errorf("%d writes for a message and an acknowledgement", n)
	}
	// AMQP 0-9-1, 4.2.3: type, channel, size; class and method.
	if publish := []byte{0, 60, 0, 40}; !bytes.Equal((*c.last.Load())[7:11], publish) {
		t.Error("the message is not the first of them")
	}
	if err := stop(); err != nil { // which gives back what is not acknowledged
		t.Fatal(err)
	}
	if ch, err = s.Conn.Channel(); err != nil {
		t.Fatal(err)
	}
	if d, again, err := ch.Get(queue, false); err != nil || again {
		t.Errorf("it came again: %+v, %v", d, err)
	}
}

// corked is a session whose writes are counted.
func corked(t *testing.T) (*Session, *counter) {
	t.Helper()
	var c *counter
	s := &Session{}
	var err error
	s.Conn, err = amqp.DialConfig(rabbittest.URL(t), amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		tcp, err := net.Dial(network, addr)
		c = &counter{Conn: tcp}
		s.cork = &dial.Cork{Conn: c}
		return s.cork, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Conn.Close() })
	return s, c
}

// ownQueue is a queue of the connection's, and the channel that has declared it.
func ownQueue(t *testing.T, c *amqp.Connection) (*amqp.Channel, string) {
	t.Helper()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ch, q.Name
}

// What waits for the publisher leaves in few writes, and each gets its verdict.
func TestPublicationsThatWaitLeaveTogether(t *testing.T) {
	s, c := corked(t)
	_, queue := ownQueue(t, s.Conn)
	const n = burst + burst/2
	p := &Publisher{in: make(chan *Publication, n), window: newSendWindow(2 * n)}
	verdicts := make(chan Verdict, n)
	for ref := range uint64(n) {
		key := queue
		if ref%2 == 1 {
			key = "test.nobody"
		}
		p.in <- &Publication{Key: key, Mandatory: true, Answer: verdicts, Ref: ref}
	}
	before := c.n.Load()
	stop := start(t, func(ctx context.Context) error { return p.Serve(ctx, s) })
	for range n {
		v := receive(t, verdicts)
		if want := []Kind{Routed, Returned}[v.Ref%2]; v.Kind != want {
			t.Errorf("publication %d: %v, want %v", v.Ref, v.Kind, want)
		}
	}
	// A channel is opened and put into confirm mode; then the first, to see whether the
	// broker accepts it, and two bursts.
	if writes := c.n.Load() - before; writes != 2+1+2 {
		t.Errorf("%d writes for %d messages", writes, n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
