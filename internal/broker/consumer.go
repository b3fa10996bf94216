package broker

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
)

// A Consumer receives the messages of a queue.
type Consumer struct {
	// Deliveries must be acknowledged. It closes when the channel does, or when the
	// queue is deleted.
	Deliveries <-chan amqp.Delivery

	queue    string
	closed   <-chan *amqp.Error // the library closes it with the channel
	canceled <-chan string      // receives a value if the broker ends the consumer alone; the library closes it with the channel
}

// A Binding binds a queue to an exchange.
type Binding struct{ Exchange, Key string }

// Consume binds a queue and begins to consume it, with up to prefetch messages
// unacknowledged. With exclusive, no other consumer is allowed. A refusal is
// ErrForbidden.
func Consume(conn *amqp.Connection, ch *amqp.Channel, queue string, prefetch int, exclusive bool, bindings ...Binding) (*Consumer, error) {
	c := &Consumer{
		queue:    queue,
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		canceled: ch.NotifyCancel(make(chan string, 1)),
	}
	err := CallWithTimeout(conn, CallTimeout, func() error {
		err := c.consume(ch, queue, prefetch, exclusive, bindings)
		if err == nil || dial.Code(err) != 0 {
			return err
		}
		if e := <-c.closed; e != nil {
			return e // says more than that the channel is closed
		}
		return err
	})
	if dial.Code(err) == amqp.AccessRefused {
		return nil, forbidden(err)
	}
	return c, err
}

// Bind binds a queue. A refusal, which ends the channel, is ErrForbidden.
func Bind(conn *amqp.Connection, ch *amqp.Channel, queue string, b Binding) error {
	err := CallWithTimeout(conn, CallTimeout, func() error {
		return ch.QueueBind(queue, b.Key, b.Exchange, false, nil)
	})
	if dial.Code(err) == amqp.AccessRefused {
		return forbidden(err)
	}
	return err
}

func (c *Consumer) consume(ch *amqp.Channel, queue string, prefetch int, exclusive bool, bindings []Binding) (err error) {
	for _, b := range bindings {
		// Does not wait for the answer: a refusal closes the channel, and then is the
		// error of the next call.
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

// Err returns why Deliveries has closed. If the queue is deleted, the broker ends the
// consumer (basic.cancel) and leaves its channel open.
func (c *Consumer) Err() error {
	var e *amqp.Error
	select {
	case _, ended := <-c.canceled:
		if ended {
			return &Error{Kind: ErrLost, Message: fmt.Sprintf("the broker ended the consumer of queue %q: the queue was deleted or has failed", c.queue)}
		}
		e = <-c.closed
	case e = <-c.closed:
	}
	if e != nil {
		return channelLost(e)
	}
	return &Error{Kind: ErrLost, Message: "the channel of the consumer was closed"}
}

// channelLost returns why the broker has closed a channel.
func channelLost(e *amqp.Error) error {
	if e.Code == amqp.AccessRefused {
		return forbidden(e)
	}
	return &Error{Kind: ErrLost, Message: "the channel was lost: " + e.Reason, Err: e}
}

// forbidden returns the error for a permission that is missing on an open channel.
func forbidden(err error) error {
	return &Error{
		Kind: ErrForbidden, Message: "the broker's permissions forbid it: " + dial.Reason(err),
		Hint: "rabbitmqctl set_permissions grants it; warren broker-setup prints what each needs", Err: err,
	}
}
