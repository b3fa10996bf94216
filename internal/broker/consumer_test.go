package broker

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
)

// Who consumes hears why that has ended, whatever on the channel has ended it, and
// why it cannot begin, although the binding is not waited for.
func TestConsumerReportsWhyItEnded(t *testing.T) {
	c := connect(t, rabbittest.URL(t))
	tells := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "test.no-such-exchange") {
			t.Errorf("told as %v", err)
		}
	}
	// The client library may send on a channel that the broker has just closed, and then the
	// broker closes the connection instead.
	var err error
	for range 10 {
		c := connect(t, rabbittest.URL(t))
		ch, queue := ownQueue(t, c)
		_, err = Consume(c, ch, queue, 1, true, Binding{Exchange: "test.no-such-exchange"})
		if reason := new(amqp.Error); !errors.As(err, &reason) || reason.Code != amqp.ChannelError {
			break
		}
	}
	tells(err)

	ch, queue := ownQueue(t, c)
	consumer, err := Consume(c, ch, queue, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Publish("test.no-such-exchange", "k", false, false, amqp.Publishing{}); err != nil {
		t.Fatal(err)
	}
	for range consumer.Deliveries {
	}
	err = consumer.Err()
	tells(err)
	if !errors.Is(err, ErrLost) {
		t.Errorf("%T %v", err, err)
	}
}
