package broker

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A Consumer receives what comes by a queue.
type Consumer struct {
	// Deliveries are not acknowledged yet. It closes when the channel does, or the
	// queue has been deleted.
	Deliveries <-chan amqp.Delivery

	queue    string
	closed   <-chan *amqp.Error // the library closes it with the channel
	canceled <-chan string      // gets a value when the broker ends the consumer alone; the library closes it with the channel
}

// A Binding is of a queue to an exchange.
type Binding struct{ Exchange, Key string }

// Consume binds a queue and begins to consume it, up to prefetch messages in
// advance. Exclusive, nobody else may do so. A refusal is ErrForbidden.
func Consume(conn *amqp.Connection, ch *amqp.Channel, queue string, prefetch int, exclusive bool, bindings ...Binding) (*Consumer, error) {
	c := &Consumer{
		queue:    queue,
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		canceled: ch.NotifyCancel(make(chan string, 1)),
	}
	err := Within(conn, CallTime, func() error {
		err := c.consume(ch, queue, prefetch, exclusive, bindings)
		if err == nil || code(err) != 0 {
			return err
		}
		if e := <-c.closed; e != nil {
			return e // not only that the channel is closed
		}
		return err
	})
	if code(err) == amqp.AccessRefused {
		return nil, forbidden(err)
	}
	return c, err
}

func (c *Consumer) consume(ch *amqp.Channel, queue string, prefetch int, exclusive bool, bindings []Binding) (err error) {
	for _, b := range bindings {
		// Not waited for: a refusal ends the channel, and is the answer to what
		// comes next.
		const noWait = true
		if err := ch.QueueBind(queue, b.Key, b.Exchange, noWait, nil); err != nil {
			return err
		}
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return err
	}
	c.Deliveries, err = ch.Consume(queue, "", false, exclusive, false, false, nil)
	return err
}

// Err is why Deliveries has closed. A broker that deletes the queue ends the
// consumer (basic.cancel) and leaves its channel open.
func (c *Consumer) Err() error {
	var e *amqp.Error
	select {
	case _, ended := <-c.canceled:
		if ended {
			return &Error{Kind: ErrLost, Text: fmt.Sprintf("the broker ended the consumer of queue %q: the queue was deleted or has failed", c.queue)}
		}
		e = <-c.closed
	case e = <-c.closed:
	}
	if e != nil {
		return channelLost(e)
	}
	return &Error{Kind: ErrLost, Text: "the channel of the consumer was closed"}
}

// channelLost tells why the broker has closed a channel.
func channelLost(e *amqp.Error) error {
	if e.Code == amqp.AccessRefused {
		return forbidden(e)
	}
	return &Error{Kind: ErrLost, Text: "the channel was lost: " + e.Reason, Err: e}
}

// forbidden is a refusal that came while a channel was used.
func forbidden(err error) error {
	return &Error{
		Kind: ErrForbidden, Text: "the broker's permissions forbid it: " + reason(err),
		Hint: "rabbitmqctl set_permissions grants it; warren broker-setup prints what each needs", Err: err,
	}
}
