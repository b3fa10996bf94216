package broker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

const vhost = "/"

// consuming declares a queue that is bound to an exchange of the same name and
// consumed.
func consuming(t *testing.T, c *amqp.Connection, name string) (*Consumer, Subscription) {
	t.Helper()
	ch, err := Declare(c, []wire.Exchange{{Name: name, Kind: amqp.ExchangeFanout}}, ExclusiveQueue(name, 10, 0))
	if err != nil {
		t.Fatal(err)
	}
	s := Subscription{Queue: name, Bindings: []Binding{{Exchange: name}}}
	consumer, err := Consume(c, ch, name, 1, true, s.Bindings...)
	if err != nil {
		t.Fatal(err)
	}
	return consumer, s
}

// A broker that deletes a queue ends its consumer and leaves the channel open.
func TestConsumerEndsWithItsQueue(t *testing.T) {
	node := rabbittest.Node(t)
	c := connect(t, node.URL())
	consumer, _ := consuming(t, c, "test.deleted")
	if err := node.DeleteQueue(t.Context(), vhost, "test.deleted"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for range consumer.Deliveries {
		}
		ended <- consumer.Err()
	}()
	if err := receive(t, ended); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), `"test.deleted"`) {
		t.Errorf("the consumer ended with %v", err)
	}
}

// What a broker loses without a word is found.
func TestVerifyFindsWhatIsLost(t *testing.T) {
	node := rabbittest.Node(t)
	for _, c := range []struct {
		name   string
		damage func(n *rabbit.Node, ctx context.Context, vhost, queue string) error
		want   string
	}{
		{"queue", (*rabbit.Node).DeleteQueue, "no queue"},
		{"consumer", (*rabbit.Node).LoseConsumers, "has lost the consumer of queue"},
		{"exchange", (*rabbit.Node).DeleteExchange, "no exchange"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := connect(t, node.URL())
			_, s := consuming(t, conn, "test.verify."+c.name)
			found := make(chan error, 1)
			go func() { found <- Verify(t.Context(), conn, Interval{time.Millisecond, time.Millisecond}, s) }()
			if err := c.damage(node, t.Context(), vhost, s.Queue); err != nil {
				t.Fatal(err)
			}
			if err := receive(t, found); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Verify returns %v", err)
			}
			if conn.IsClosed() {
				t.Error("Verify has closed the connection")
			}
		})
	}
}

func TestVerifyRestoresBinding(t *testing.T) {
	node := rabbittest.Node(t)
	conn := connect(t, node.URL())
	consumer, s := consuming(t, conn, "test.unbound")
	if err := node.Unbind(t.Context(), vhost, s.Queue); err != nil {
		t.Fatal(err)
	}
	stop := start(t, func(ctx context.Context) error {
		return Verify(ctx, conn, Interval{time.Millisecond, time.Millisecond}, s)
	})
	p := NewPublisher(0)
	serve(t, p, node.URL())
	late := time.After(30 * time.Second)
	for routed := false; !routed; {
		v := receive(t, publish(t, p, Publication{Exchange: s.Queue, Mandatory: true}))
		routed = v.Kind == Routed
		select {
		case <-late:
			t.Fatalf("the queue is not bound again: %+v", v)
		default:
		}
	}
	receive(t, consumer.Deliveries)
	if err := stop(); err != nil {
		t.Errorf("Verify ends with %v", err)
	}
}

// A broker that does not answer is given up. While it blocks the connection it reads
// nothing from it, so that no answer says nothing.
func TestVerifyOfSilentBroker(t *testing.T) {
	u := rabbittest.URL(t)
	px := newProxy(t, u)
	conn := connect(t, px.url(u))
	_, s := consuming(t, conn, "test.silent")
	px.freeze()
	v := verifier{conn: conn, subs: []Subscription{s}, timeout: time.Millisecond}
	v.blocking.note(amqp.Blocking{Active: true}, true)
	if err := v.verify(t.Context()); err != nil {
		t.Errorf("blocked, Verify returns %v", err)
	}
	v.blocking.note(amqp.Blocking{}, true)
	if err := v.verify(t.Context()); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), s.Queue) {
		t.Errorf("Verify returns %v", err)
	}
}
