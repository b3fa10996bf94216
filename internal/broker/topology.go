package broker

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/wire"
)

// A Queue says what to declare.
type Queue struct {
	Name       string
	Durable    bool
	Exclusive  bool // of this connection; it dies with it
	AutoDelete bool
	Args       amqp.Table
}

// ExclusiveQueue returns a bounded classic queue of one connection. A queue that is full
// refuses messages: their publisher gets a nack. 0 leaves a bound out.
func ExclusiveQueue(name string, maxMessages int, maxBytes int64) Queue {
	args := amqp.Table{
		// Explicit, because a virtual host's default type may be another.
		"x-queue-type": "classic",
		"x-overflow":   "reject-publish",
	}
	if maxMessages > 0 {
		args["x-max-length"] = int64(maxMessages)
	}
	if maxBytes > 0 {
		args["x-max-length-bytes"] = maxBytes
	}
	return Queue{Name: name, Exclusive: true, Args: args}
}

// Declare makes sure that the exchanges exist, declares a queue, and returns the channel
// for its consumer. Nearly always all of it succeeds, and takes one channel and two
// round trips. A refusal closes that channel without saying what was refused; Declare
// then makes each declaration on a channel of its own.
func Declare(c *amqp.Connection, exchanges []wire.Exchange, q Queue) (*amqp.Channel, error) {
	ch, err := onChannel(c, func(ch *amqp.Channel) error {
		for _, x := range exchanges {
			if err := ch.ExchangeDeclarePassive(x.Name, x.Kind, true, false, false, true, nil); err != nil {
				return err
			}
		}
		_, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args)
		return err
	})
	switch {
	case err == nil, errors.Is(err, ErrTimeout):
		return ch, err
	case dial.Code(err) == amqp.ResourceLocked, c.IsClosed(): // exchanges are never locked
		return nil, refusal("queue", q.Name, err)
	}
	for _, x := range exchanges {
		if err := DeclareExchange(c, x.Name, x.Kind); err != nil {
			return nil, err
		}
	}
	return DeclareQueue(c, q)
}

// DeclareQueue declares a queue on a channel of its own, because a refusal closes the
// channel, and returns that channel for the consumer. A queue that exists with other
// arguments is used as it is. A refusal is ErrTaken or ErrForbidden; the connection
// stays open.
func DeclareQueue(c *amqp.Connection, q Queue) (*amqp.Channel, error) {
	ch, err := onChannel(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args)
		return err
	})
	if dial.Code(err) == amqp.PreconditionFailed {
		existing, passive := onChannel(c, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args)
			return err
		})
		switch dial.Code(passive) {
		case amqp.NotFound: // the broker did not refuse because of the arguments
		case amqp.AccessRefused: // says nothing about the queue: its consumer will see
			ch, err = onChannel(c, func(*amqp.Channel) error { return nil })
		default:
			ch, err = existing, passive
		}
	}
	if err != nil {
		return nil, refusal("queue", q.Name, err)
	}
	return ch, nil
}

// DeclareExchange makes sure that a durable exchange exists. An existing one is used as
// it is. A missing one is created; if the user has no permission, the error is
// ErrForbidden. A refusal to say whether it exists is no error: RabbitMQ 4.2.6 and 4.3.0
// want the configure permission for that, and binding and publishing do without it.
func DeclareExchange(c *amqp.Connection, name, kind string) error {
	ch, err := onChannel(c, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil)
	})
	missing := dial.Code(err) == amqp.NotFound
	if missing {
		ch, err = onChannel(c, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, kind, true, false, false, false, nil)
		})
	}
	switch {
	case err == nil:
		return CallWithTimeout(c, CallTimeout, ch.Close)
	case dial.Code(err) == amqp.AccessRefused && !missing:
		return nil
	case dial.Code(err) == amqp.PreconditionFailed: // another client has just created it
		return nil
	}
	return refusal("exchange", name, err)
}

// onChannel opens a channel and makes one call on it, within CallTimeout. If the call
// fails the channel is closed.
func onChannel(c *amqp.Connection, call func(*amqp.Channel) error) (*amqp.Channel, error) {
	var ch *amqp.Channel
	err := CallWithTimeout(c, CallTimeout, func() (err error) {
		if ch, err = c.Channel(); err != nil {
			return err
		}
		if err = call(ch); err != nil {
			_ = ch.Close() // if the broker has not done so
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// taken says that another connection holds a queue.
func taken(what, name string, err error) *Error {
	return &Error{
		Kind: ErrTaken, Err: err,
		Message: fmt.Sprintf("%s %q is held by another connection", what, name),
		Hint:    "a program with the same name is connected, or its broken connection has not timed out yet",
	}
}

// refusal explains why a queue or an exchange could not be declared.
func refusal(what, name string, err error) error {
	e := &Error{Message: fmt.Sprintf("cannot declare %s %q: %s", what, name, dial.Reason(err)), Err: err}
	switch dial.Code(err) {
	case amqp.ResourceLocked:
		return taken(what, name, err)
	case amqp.AccessRefused:
		e.Kind = ErrForbidden
		e.Message = fmt.Sprintf("the broker's permissions forbid %s %q: %s", what, name, dial.Reason(err))
		e.Hint = "rabbitmqctl set_permissions grants configure, write and read"
	default:
		if errors.Is(err, ErrTimeout) {
			return err
		}
		e.Kind = ErrLost
		e.Hint = dial.LimitHint(dial.Reason(err))
	}
	return e
}
