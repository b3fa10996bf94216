package broker

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
)

// A socket gives so many bytes with each read.
type socket struct {
	net.Conn
	has []int
}

func (s *socket) Read(p []byte) (int, error) {
	n := min(s.has[0], len(p))
	s.has = s.has[1:]
	return n, nil
}

func TestCoalescing(t *testing.T) {
	const pause, bulk = 5 * time.Millisecond, coalesceBulk
	for name, c := range map[string]struct {
		pause time.Duration
		has   []int
		waits []bool // before each read
	}{
		"not asked for":          {0, []int{10, 10, 10}, []bool{false, false, false}},
		"one by one":             {pause, []int{10, 10, 10}, []bool{false, true, true}},
		"more is there":          {pause, []int{100, 100, 10, 10}, []bool{false, false, false, true}},
		"little at a time":       {pause, []int{100, 10, 100, 10}, []bool{false, false, true, false}},
		"what comes in bulk":     {pause, []int{bulk, bulk - 1, bulk - 1, bulk - 1}, []bool{false, false, false, true}},
		"bulk, and then no more": {pause, []int{bulk, 1, 10, 10}, []bool{false, false, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			size := 100
			if c.has[0] >= bulk {
				size = bulk
			}
			synctest.Test(t, func(t *testing.T) {
				var wanted atomic.Int64
				wanted.Store(int64(c.pause))
				conn := &coalescing{Conn: &socket{has: c.has}, pause: &wanted}
				for i, waits := range c.waits {
					begun := time.Now()
					if _, err := conn.Read(make([]byte, size)); err != nil {
						t.Fatal(err)
					}
					if waited := time.Since(begun); waited != 0 != waits || waited != 0 && waited != c.pause {
						t.Errorf("read %d has waited for %v", i, waited)
					}
				}
			})
		})
	}
}

// A link's pause holds for the connection that is there, and so does its end.
func TestLinkCoalesces(t *testing.T) {
	const pause = time.Second
	url := rabbittest.URL(t)
	link := newLink(t, Options{URLs: []string{url}})
	told := make(chan (<-chan amqp.Delivery), 1)
	queue := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- link.Run(ctx, func(ctx context.Context, s *Session) error {
			ch, err := s.Conn.Channel()
			if err != nil {
				return err
			}
			q, err := ch.QueueDeclare("", false, false, true, false, nil)
			if err != nil {
				return err
			}
			in, err := ch.Consume(q.Name, "", true, true, false, false, nil)
			if err != nil {
				return err
			}
			s.Ready()
			link.Coalesce(pause)
			queue <- q.Name
			told <- in
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	name, in := <-queue, <-told
	deliver := func() time.Time {
		t.Helper()
		if err := ch.PublishWithContext(t.Context(), "", name, false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-in:
			return time.Now()
		case <-time.After(10 * pause):
			t.Fatal("nothing has come")
			panic("unreachable")
		}
	}
	first := deliver()
	if apart := deliver().Sub(first); apart < pause/2 {
		t.Errorf("two messages came %v apart", apart)
	}
	link.Coalesce(0)
	deliver() // the pause that has begun is the last
	begun := time.Now()
	for range 5 {
		deliver()
	}
	if took := time.Since(begun); took > 3*pause {
		t.Errorf("without a pause 5 messages took %v", took)
	}
}
