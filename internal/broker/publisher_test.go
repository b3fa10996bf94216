package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
)

// serve runs a publisher over a connection of its own.
func serve(t testing.TB, p *Publisher, brokerURL string) (stop func() error) {
	c := connect(t, brokerURL)
	return start(t, func(ctx context.Context) error { return p.Serve(ctx, &Session{Conn: c}) })
}

// publish sends one publication and returns its answer.
func publish(t testing.TB, p *Publisher, pub Publication) <-chan Verdict {
	t.Helper()
	answer := make(chan Verdict, 1)
	pub.Answer = answer
	select {
	case p.In() <- &pub:
	case <-time.After(30 * time.Second):
		t.Fatal("the publisher takes nothing for 30 s")
	}
	return answer
}

func TestVerdicts(t *testing.T) {
	u := rabbittest.URL(t)
	full := queue(t, u, "full", 1)
	open := queue(t, u, "open", 0)
	p := NewPublisher(0)
	stop := serve(t, p, u)
	msg := amqp.Publishing{Body: []byte("x")}
	if v := receive(t, publish(t, p, Publication{Key: full, Mandatory: true, Msg: msg})); v.Kind != Routed {
		t.Fatalf("filling the queue: %+v", v)
	}
	long := strings.Repeat("n", 256)
	for _, c := range []struct {
		name string
		pub  Publication
		kind Kind
		text string
	}{
		{"routed", Publication{Key: open, Mandatory: true, Msg: msg}, Routed, ""},
		{"no queue", Publication{Key: "test.nobody", Mandatory: true, Msg: msg}, Returned, "NO_ROUTE"},
		{"no queue, not mandatory", Publication{Key: "test.nobody", Msg: msg}, Routed, ""},
		{"full queue", Publication{Key: full, Mandatory: true, Msg: msg}, Nacked, "full"},
		{"long key", Publication{Key: long, Msg: msg}, Refused, "256"},
		{"long header", Publication{Key: open, Msg: amqp.Publishing{Headers: amqp.Table{long: 1}}}, Refused, "256"},
		{"bad header", Publication{Key: open, Msg: amqp.Publishing{Headers: amqp.Table{"x": struct{}{}}}}, Refused, ""},
		{"after all that", Publication{Key: open, Mandatory: true, Msg: msg}, Routed, ""},
	} {
		c.pub.Ref = 42
		v := receive(t, publish(t, p, c.pub))
		if v.Kind != c.kind || v.Ref != 42 || !strings.Contains(v.Reason, c.text) {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve ends with %v", err)
	}
}

// Many at once, each third unroutable: each verdict belongs to its message.
func TestVerdictsBelongToTheirMessages(t *testing.T) {
	u := rabbittest.URL(t)
	open := queue(t, u, "many", 0)
	p := NewPublisher(64)
	serve(t, p, u)
	const n = 5000
	answers := make(chan Verdict, n)
	for i := range uint64(n) {
		key := open
		if i%3 == 0 {
			key = "test.nobody"
		}
		p.In() <- &Publication{Key: key, Mandatory: true, Answer: answers, Ref: i}
	}
	seen := make([]bool, n)
	for range n {
		v := receive(t, answers)
		if want := map[bool]Kind{true: Returned, false: Routed}[v.Ref%3 == 0]; v.Kind != want {
			t.Fatalf("publication %d: %v", v.Ref, v.Kind)
		}
		if seen[v.Ref] {
			t.Fatalf("two verdicts for publication %d", v.Ref)
		}
		seen[v.Ref] = true
	}
}

// A wrong exchange ends the channel; what was in flight is answered.
func TestChannelError(t *testing.T) {
	u := rabbittest.URL(t)
	p := NewPublisher(0)
	c := connect(t, u)
	served := make(chan error, 1)
	go func() { served <- p.Serve(t.Context(), &Session{Conn: c}) }()
	answer := publish(t, p, Publication{Exchange: "test.no-such-exchange", Key: "k"})
	if v := receive(t, answer); v.Kind != Unconfirmed {
		t.Errorf("verdict %+v", v)
	}
	if err := receive(t, served); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "test.no-such-exchange") {
		t.Errorf("Serve ends with %v", err)
	}
	if c.IsClosed() {
		t.Error("the connection is closed, too")
	}
}

// The link goes silent with messages in flight, some of them stuck in a write, long before
// heartbeats could detect it.
func TestServeOnHalfOpenLink(t *testing.T) {
	t.Parallel() // it waits most of its time
	u := rabbittest.URL(t)
	px := newProxy(t, u)
	p := NewPublisher(0)
	const heartbeat = time.Minute // the broker's own; a longer one becomes this
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{px.url(u)}, Heartbeat: heartbeat, IOTimeout: time.Second, DialTimeout: time.Second}})
	start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(ctx context.Context, s *Session) error {
			s.Ready()
			return p.Serve(ctx, s)
		})
	})
	up := until(t, l.State(), "up", isUp)
	big := amqp.Publishing{Body: make([]byte, 1<<20)} // many of them fill every buffer on the way
	// Once the broker has accepted one of this size, the next do not go alone.
	if v := receive(t, publish(t, p, Publication{Key: "test.nobody", Mandatory: true, Msg: big})); v.Kind != Returned {
		t.Fatalf("verdict %+v", v)
	}
	px.freeze()
	frozen := time.Now()
	answers := make(chan Verdict, DefaultWindow)
	taken := 0
	for !errors.Is(up.Latest().Err, ErrLost) && taken < DefaultWindow {
		select {
		case p.In() <- &Publication{Key: "test.nobody", Msg: big, Answer: answers}:
			taken++
		case <-up.Changed():
			until(t, up, "lost", func(s *State) bool { return errors.Is(s.Err, ErrLost) })
		}
	}
	if took := time.Since(frozen); taken < 2 || took > heartbeat {
		t.Fatalf("%d were taken, and the link was lost after %s", taken, took)
	}
	for range taken {
		if v := receive(t, answers); v.Kind != Unconfirmed {
			t.Errorf("verdict %+v", v)
		}
	}
}

// At its end Serve waits for what is under way.
func TestServeDrains(t *testing.T) {
	u := rabbittest.URL(t)
	open := queue(t, u, "drain", 0)
	p := NewPublisher(0)
	p.drainTimeout = time.Hour // the broker may be busy
	stop := serve(t, p, u)
	const n = 500
	answers := make(chan Verdict, n)
	for range n {
		p.In() <- &Publication{Key: open, Mandatory: true, Answer: answers}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if v := receive(t, answers); v.Kind != Routed {
			t.Fatalf("verdict %+v", v)
		}
	}
}

// While the broker is short of memory nothing more is taken, and the link says so.
func TestBlocked(t *testing.T) {
	node := rabbittest.Node(t)
	p := NewPublisher(0)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{node.URL()}}})
	start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(ctx context.Context, s *Session) error {
			s.Ready()
			return p.Serve(ctx, s)
		})
	})
	up := until(t, l.State(), "up", isUp)
	watermark := func(fraction string) {
		t.Helper()
		if err := rabbit.SetMemoryLimit(t.Context(), node, fraction); err != nil {
			t.Fatal(err)
		}
	}
	watermark("0.0001")
	defer watermark("0.4")
	// The broker notifies its connections of the alarm after some time, and blocks a
	// connection at its first publication after the notification.
	const most = 100
	answers := make(chan Verdict, most)
	blocked, unanswered := up, 0
	answered := func(v Verdict) {
		unanswered--
		if v.Kind != Routed {
			t.Errorf("verdict %+v", v)
		}
	}
	late := time.After(60 * time.Second)
	for in := p.In(); blocked.Phase == Up; blocked = blocked.Latest() {
		select {
		case in <- &Publication{Key: "test.nobody", Answer: answers}:
			unanswered++
			in = nil // until it is answered
		case v := <-answers:
			answered(v)
			in = p.In()
		case <-blocked.Changed():
		case <-late:
			t.Fatalf("the link is not blocked after 60 s, but %s", blocked.Phase)
		}
	}
	if blocked.Phase != Blocked || !errors.Is(blocked.Err, ErrBlocked) {
		t.Fatalf("state %+v", blocked)
	}
	// The publisher may hear of it a moment later than the link.
	for refused := false; !refused; {
		if unanswered == most {
			t.Fatal("the publisher takes messages that the broker does not")
		}
		select {
		case p.In() <- &Publication{Key: "test.nobody", Answer: answers}:
			unanswered++
			<-time.After(10 * time.Millisecond)
		case <-time.After(200 * time.Millisecond):
			refused = true
		}
	}
	watermark("0.4")
	until(t, blocked, "up", isUp)
	p.In() <- &Publication{Key: "test.nobody", Answer: answers}
	for unanswered++; unanswered > 0; {
		answered(receive(t, answers))
	}
}

func BenchmarkPublisher(b *testing.B) {
	u := rabbittest.URL(b)
	key := queue(b, u, "bench", 1) // refuses: what is measured is publishing, not memory
	body := make([]byte, 600)
	b.Run("warren", func(b *testing.B) {
		p := NewPublisher(0)
		stop := serve(b, p, u)
		answers := make(chan Verdict, 2*DefaultWindow)
		for b.Loop() {
			p.In() <- &Publication{Key: key, Mandatory: true, Answer: answers, Msg: amqp.Publishing{Body: body}}
			for len(answers) > 0 {
				<-answers
			}
		}
		_ = stop()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
	})
	for _, confirm := range []bool{true, false} {
		b.Run(fmt.Sprintf("bare/confirm=%v", confirm), func(b *testing.B) {
			ch, err := connect(b, u).Channel()
			if err != nil {
				b.Fatal(err)
			}
			confirms := make(chan amqp.Confirmation, DefaultWindow)
			if confirm {
				if err := ch.Confirm(false); err != nil {
					b.Fatal(err)
				}
				confirms = ch.NotifyPublish(confirms)
			}
			inFlight := 0
			for b.Loop() {
				if err := ch.PublishWithContext(b.Context(), "", key, true, false, amqp.Publishing{Body: body}); err != nil {
					b.Fatal(err)
				}
				if inFlight++; confirm && inFlight == DefaultWindow {
					<-confirms
					inFlight--
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
		})
	}
}
