package filejob

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestContentsGoToTheJobThatWaits(t *testing.T) {
	var c Contents
	c.Pass(amqp.Delivery{CorrelationId: "a"}) // nobody waits yet
	a, stopA := c.wait("a")
	b, stopB := c.wait("b")
	c.Pass(amqp.Delivery{CorrelationId: "a"})
	c.Pass(amqp.Delivery{CorrelationId: "another"})
	if len(a) != 1 || len(b) != 0 {
		t.Errorf("%d chunks wait for a and %d for b, want 1 and 0", len(a), len(b))
	}
	for range 2 * waitingChunks {
		c.Pass(amqp.Delivery{CorrelationId: "b"}) // whoever sends too much blocks nobody
	}
	if len(b) != waitingChunks {
		t.Errorf("%d chunks wait, want %d", len(b), waitingChunks)
	}
	stopA()
	stopB()
	c.Pass(amqp.Delivery{CorrelationId: "a"})
	if len(a) != 1 || len(c.waiting) != 0 {
		t.Errorf("a job that has ended gets chunks: %d, %v", len(a), c.waiting)
	}
}
