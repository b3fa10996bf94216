package broker

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/rabbit/rabbittest"
)

// sink is a connection that remembers each write.
type sink struct {
	net.Conn
	writes [][]byte
	err    error
}

func (s *sink) Write(b []byte) (int, error) {
	s.writes = append(s.writes, bytes.Clone(b))
	return len(b), s.err
}

// counter counts writes.
type counter struct {
	net.Conn
	n atomic.Int32
}

func (c *counter) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

func TestCork(t *testing.T) {
	s := &sink{}
	c := &cork{Conn: s}
	write := func(b string) {
		t.Helper()
		if n, err := c.Write([]byte(b)); n != len(b) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	said := func(want ...string) {
		t.Helper()
		if len(s.writes) != len(want) {
			t.Fatalf("%d writes, want %d", len(s.writes), len(want))
		}
		for i, w := range want {
			if string(s.writes[i]) != w {
				t.Errorf("write %d is %.20q of %d bytes", i, s.writes[i], len(s.writes[i]))
			}
		}
		s.writes = nil
	}
	write("a")
	said("a")
	c.put()
	write("b")
	write("c")
	said()
	if err := c.draw(); err != nil {
		t.Fatal(err)
	}
	said("bc")
	write("d")
	said("d")

	large := string(make([]byte, maxCorked))
	c.put()
	write("e")
	write(large) // more than is held back
	write("f")
	if err := c.draw(); err != nil {
		t.Fatal(err)
	}
	said("e", large, "f")

	c.put()
	write("g")
	s.err = errors.New("broken")
	if err := c.draw(); !errors.Is(err, s.err) {
		t.Errorf("a write that failed is told as %v", err)
	}
}

// What a publication acknowledges is acknowledged, in one write with it.
func TestAcksLeaveWithThePublication(t *testing.T) {
	var c *counter
	s := &Session{}
	var err error
	s.Conn, err = amqp.DialConfig(rabbittest.URL(t), amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		tcp, err := net.Dial(network, addr)
		c = &counter{Conn: tcp}
		s.cork = &cork{Conn: c}
		return s.cork, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Conn.Close() })
	ch, err := s.Conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(0)
	stop := start(t, func(ctx context.Context) error { return p.ServeOn(ctx, s, ch) })
	receive(t, publish(t, p, Publication{Key: q.Name, Mandatory: true}))
	d, ok, err := ch.Get(q.Name, false)
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
	if err := stop(); err != nil { // which gives back what is not acknowledged
		t.Fatal(err)
	}
	if ch, err = s.Conn.Channel(); err != nil {
		t.Fatal(err)
	}
	if d, again, err := ch.Get(q.Name, false); err != nil || again {
		t.Errorf("it came again: %+v, %v", d, err)
	}
}
