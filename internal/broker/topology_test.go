package broker

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

func TestDeclareQueue(t *testing.T) {
	u := rabbittest.URL(t)
	one, two := connect(t, u), connect(t, u)
	q := ExclusiveQueue("test.declare", 10, 1000)
	if _, err := DeclareQueue(one, q); err != nil {
		t.Fatal(err)
	}
	if _, err := DeclareQueue(one, q); err != nil {
		t.Errorf("declared again: %v", err)
	}
	_, err := DeclareQueue(two, q)
	if !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), `queue "test.declare" is held by another connection`) {
		t.Errorf("a taken queue gives %v", err)
	}
	if two.IsClosed() {
		t.Error("and costs the connection")
	}

	// With other arguments: used as it is.
	ch, err := DeclareQueue(one, ExclusiveQueue("test.declare", 99, 0))
	if err != nil {
		t.Fatalf("other arguments give %v", err)
	}
	if _, err := ch.Consume("test.declare", "", false, false, false, false, nil); err != nil {
		t.Errorf("its channel is of no use: %v", err)
	}

	// A queue that anybody may read is not ours, whatever its arguments.
	ch, err = DeclareQueue(one, Queue{Name: "test.open"})
	if err != nil {
		t.Fatal(err)
	}
	defer ch.QueueDelete("test.open", false, false, false)
	if _, err := DeclareQueue(two, ExclusiveQueue("test.open", 10, 0)); !errors.Is(err, ErrTaken) {
		t.Errorf("somebody's open queue gives %v", err)
	}
}

func TestDeclareExchange(t *testing.T) {
	u := rabbittest.URL(t)
	c := connect(t, u)
	for range 2 {
		if err := DeclareExchange(c, "test.exchange", amqp.ExchangeDirect); err != nil {
			t.Fatal(err)
		}
	}
	if err := DeclareExchange(c, "test.exchange", amqp.ExchangeFanout); err != nil {
		t.Errorf("another kind gives %v", err)
	}
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDelete("test.exchange", false, false); err != nil {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	node := rabbittest.Node(t)
	v := rabbittest.Vhost(t)
	if err := DeclareExchange(connect(t, v), "test.there", amqp.ExchangeDirect); err != nil {
		t.Fatal(err)
	}
	u, err := node.AddUser(t.Context(), t.Name(), "agent", "pw", `^warren\.host\.web01$`, `^$`, `^warren\.host\.web01$`)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, u)
	if _, err := DeclareQueue(c, ExclusiveQueue("warren.host.web01", 1, 0)); err != nil {
		t.Errorf("its own queue: %v", err)
	}
	_, err = DeclareQueue(c, ExclusiveQueue("warren.host.web02", 1, 0))
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "warren.host.web02") {
		t.Errorf("another's queue: %v", err)
	}
	if err := DeclareExchange(c, "test.there", amqp.ExchangeDirect); err != nil {
		t.Errorf("an exchange that exists: %v", err)
	}
	if err := DeclareExchange(c, "test.absent", amqp.ExchangeDirect); !errors.Is(err, ErrForbidden) {
		t.Errorf("an exchange that does not: %v", err)
	}
}

// TestDeclare: what is there takes one channel; what is missing is made, and a
// refusal says what was refused, whoever of them it was.
func TestDeclare(t *testing.T) {
	u := rabbittest.URL(t)
	one, two := connect(t, u), connect(t, u)
	exchanges := []wire.Exchange{{Name: "test.declare.a", Kind: amqp.ExchangeTopic}, {Name: "test.declare.b", Kind: amqp.ExchangeFanout}}
	for range 2 { // missing, then there
		ch, err := Declare(one, exchanges, ExclusiveQueue("test.declare.all", 10, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range exchanges {
			if err := ch.QueueBind("test.declare.all", "", x.Name, false, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Declare(two, exchanges, ExclusiveQueue("test.declare.all", 10, 0)); !errors.Is(err, ErrTaken) || two.IsClosed() {
		t.Errorf("a taken queue gives %v", err)
	}
}
