package broker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

var claimExchanges = []wire.Exchange{{Name: "test.hosts", Kind: amqp.ExchangeTopic}}

func testName(name string) *Name {
	return &Name{
		Queue:    func(g int) string { return fmt.Sprintf("test.%s~%d", name, g) },
		Length:   10,
		Exchange: "test.hosts", Key: name, Later: name + "~",
	}
}

func TestOneConnectionHoldsAName(t *testing.T) {
	u := rabbittest.Vhost(t)
	one, two := connect(t, u), connect(t, u)
	n := testName("web01.example..com") // empty words are words, too
	ch, sub, err := n.Claim(one, claimExchanges)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Consume(one, ch, sub.Queue, 1, true, sub.Bindings...)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Claim(two, claimExchanges); !errors.Is(err, ErrTaken) || two.IsClosed() {
		t.Errorf("a held name gives %v", err)
	}
	pub, err := two.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := pub.PublishWithContext(t.Context(), n.Exchange, n.Key, true, false, amqp.Publishing{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if d := <-c.Deliveries; string(d.Body) != "x" {
		t.Errorf("got %q", d.Body)
	}

	// The channel is lost: the connection still holds the queue.
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Resume(one, sub); err != nil {
		t.Errorf("cannot resume: %v", err)
	}
	one.Close()
	if _, sub, err := n.Claim(two, claimExchanges); err != nil || sub.Queue != n.Queue(0) {
		t.Errorf("a free name gives %q, %v", sub.Queue, err)
	}
}

// A queue of a later generation is in use, and the node of the first has returned.
func TestLaterGenerationKeepsItsName(t *testing.T) {
	u := rabbittest.Vhost(t)
	one, two := connect(t, u), connect(t, u)
	for g := 1; g < wire.Generations; g++ {
		n := testName(fmt.Sprintf("host%d", g))
		ch, err := Declare(one, claimExchanges, ExclusiveQueue(n.Queue(g), n.Length, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := Bind(one, ch, n.Queue(g), Binding{Exchange: n.Exchange, Key: n.Later}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.Claim(two, claimExchanges); !errors.Is(err, ErrTaken) {
			t.Errorf("generation %d is in use, and Claim gives %v", g, err)
		}
		check, err := one.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check.QueueDeclarePassive(n.Queue(0), false, false, true, false, nil); !IsNotFound(err) {
			t.Errorf("the first generation's queue was not left: %v", err)
		}
		if err := ch.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A queue that is not exclusive belongs to no agent, and its node is up.
func TestOpenQueueIsNotPassedOver(t *testing.T) {
	u := rabbittest.Vhost(t)
	one, two := connect(t, u), connect(t, u)
	n := testName("open")
	if _, err := DeclareQueue(one, Queue{Name: n.Queue(0)}); err != nil {
		t.Fatal(err)
	}
	if _, sub, err := n.Claim(two, claimExchanges); !errors.Is(err, ErrTaken) {
		t.Errorf("got %q, %v", sub.Queue, err)
	}
}

func TestClaimWithoutPermissionToProbe(t *testing.T) {
	n := rabbittest.Node(t)
	vhost := t.Name()
	if _, err := n.AddVhost(t.Context(), vhost); err != nil {
		t.Fatal(err)
	}
	u, err := n.AddUser(t.Context(), vhost, "prober", "p", "^test\\.", "^test\\.p", ".*")
	if err != nil {
		t.Fatal(err)
	}
	full := connect(t, strings.Replace(u, "prober:p@", "guest:guest@", 1))
	if err := DeclareExchange(full, "test.hosts", amqp.ExchangeTopic); err != nil {
		t.Fatal(err)
	}
	c := connect(t, u)
	if _, _, err := testName("p").Claim(c, claimExchanges); !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "test.hosts") {
		t.Errorf("got %v", err)
	}
}

// RabbitMQ 4.2.6 and 4.3.0 refuse to say whether an exchange exists to a login that may
// only bind to it or publish; other releases, to one that may do nothing with it. The
// binding tells which it is.
func TestForbiddenPassiveDeclareIsLeftToTheBinding(t *testing.T) {
	n := rabbittest.Node(t)
	vhost := t.Name()
	if _, err := n.AddVhost(t.Context(), vhost); err != nil {
		t.Fatal(err)
	}
	u, err := n.AddUser(t.Context(), vhost, "nobody", "p", "^test\\.q$", "^test\\.q$", "^test\\.q$")
	if err != nil {
		t.Fatal(err)
	}
	if err := DeclareExchange(connect(t, strings.Replace(u, "nobody:p@", "guest:guest@", 1)), "test.hosts", amqp.ExchangeTopic); err != nil {
		t.Fatal(err)
	}
	c := connect(t, u)
	ch, err := Declare(c, claimExchanges, ExclusiveQueue("test.q", 1, 0))
	if err != nil {
		t.Fatalf("a passive declare that may be forbidden: %v", err)
	}
	if err := Bind(c, ch, "test.q", Binding{Exchange: "test.hosts", Key: "q"}); !errors.Is(err, ErrForbidden) {
		t.Errorf("a forbidden binding gives %v", err)
	}
}
