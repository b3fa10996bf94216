package broker

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A Queue says what to declare.
type Queue struct {
	Name       string
	Durable    bool
	Exclusive  bool // of this connection; it dies with it
	AutoDelete bool
	Args       amqp.Table
}

// ExclusiveQueue is a bounded classic queue of one connection that refuses what
// exceeds its bounds: its publisher gets a nack. 0 leaves a bound out.
func ExclusiveQueue(name string, maxMessages int, maxBytes int64) Queue {
	args := amqp.Table{
		// Said outright, since a vhost's default type may be another.
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

// An Exchange is one that must be there; see DeclareExchange.
type Exchange struct{ Name, Kind string }

// Declare makes sure of the exchanges and declares a queue, and returns the
// channel for its consumer. Where all is as it should be, as nearly always, that
// takes one channel and two answers; a refusal ends it, whatever of it was refused,
// and then each is asked for by itself.
func Declare(c *amqp.Connection, exchanges []Exchange, q Queue) (*amqp.Channel, error) {
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
	case code(err) == amqp.ResourceLocked, c.IsClosed(): // no exchange can be locked
		return nil, refusal("queue", q.Name, err)
	}
	for _, x := range exchanges {
		if err := DeclareExchange(c, x.Name, x.Kind); err != nil {
			return nil, err
		}
	}
	return DeclareQueue(c, q)
}

// DeclareQueue declares a queue on a channel of its own, since a refusal ends
// the channel, and returns that channel for the consumer. A queue that exists
// with other arguments is used as it is. A refusal is ErrTaken or ErrForbidden;
// the connection goes on.
func DeclareQueue(c *amqp.Connection, q Queue) (*amqp.Channel, error) {
	ch, err := onChannel(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args)
		return err
	})
	if code(err) == amqp.PreconditionFailed {
		existing, passive := onChannel(c, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args)
			return err
		})
		// No such queue: other arguments were not what the broker disliked.
		if code(passive) != amqp.NotFound {
			ch, err = existing, passive
		}
	}
	if err != nil {
		return nil, refusal("queue", q.Name, err)
	}
	return ch, nil
}

// DeclareExchange makes sure that a durable exchange exists. One that exists is
// used as it is; one that does not is created if the user may, and otherwise
// the error is ErrForbidden.
func DeclareExchange(c *amqp.Connection, name, kind string) error {
	ch, err := onChannel(c, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil)
	})
	if code(err) == amqp.NotFound {
		ch, err = onChannel(c, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, kind, true, false, false, false, nil)
		})
	}
	switch {
	case err == nil:
		return Within(c, CallTime, ch.Close)
	case code(err) == amqp.PreconditionFailed: // somebody else was quicker
		return nil
	}
	return refusal("exchange", name, err)
}

// onChannel opens a channel and makes one call on it, within CallTime. Where the
// call fails the channel is gone.
func onChannel(c *amqp.Connection, call func(*amqp.Channel) error) (*amqp.Channel, error) {
	var ch *amqp.Channel
	err := Within(c, CallTime, func() (err error) {
		if ch, err = c.Channel(); err != nil {
			return err
		}
		if err = call(ch); err != nil {
			_ = ch.Close() // where the broker has not done so
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// refusal explains why a queue or exchange cannot be had.
func refusal(what, name string, err error) error {
	e := &Error{Text: fmt.Sprintf("cannot declare %s %q: %s", what, name, reason(err)), Err: err}
	switch code(err) {
	case amqp.ResourceLocked:
		e.Kind = ErrTaken
		e.Text = fmt.Sprintf("%s %q is held by another connection", what, name)
		e.Hint = "a program with the same name is connected, or its broken connection has not timed out yet"
	case amqp.AccessRefused:
		e.Kind = ErrForbidden
		e.Text = fmt.Sprintf("the broker's permissions forbid %s %q: %s", what, name, reason(err))
		e.Hint = "rabbitmqctl set_permissions grants configure, write and read"
	default:
		if errors.Is(err, ErrTimeout) {
			return err
		}
		e.Kind = ErrLost
		e.Hint = limitHint(reason(err))
	}
	return e
}

// limits are those that an administrator sets, by what the broker says where one is
// reached, and how each is raised. The first that fits counts.
var limits = []struct{ words, hint string }{
	{"queue limit in cluster", "cluster_queue_limit in rabbitmq.conf raises the limit"},
	{"queue limit", `rabbitmqctl set_vhost_limits -p VHOST '{"max-queues": N}' raises the limit; an agent needs a queue for each of its names and one for an inbox, an operator one`},
	{"user connection limit", `rabbitmqctl set_user_limits USER '{"max-connections": N}' raises the limit; an agent needs one connection, with an inbox two, an operator two`},
	{"node connection limit", "connection_max in rabbitmq.conf raises the limit"},
	{"connection limit", `rabbitmqctl set_vhost_limits -p VHOST '{"max-connections": N}' raises the limit; an agent needs one connection, with an inbox two, an operator two`},
	{"channels opened for user", `rabbitmqctl set_user_limits USER '{"max-channels": N}' raises the limit; an agent needs two channels and one for each further name, an operator three`},
	{"limit", "rabbitmqctl list_vhost_limits and list_user_limits show what is set"},
}

// limitHint says what to do where the broker refuses for a limit; empty where it
// refuses for something else.
func limitHint(reason string) string {
	for _, l := range limits {
		if strings.Contains(reason, l.words) {
			return l.hint
		}
	}
	return ""
}
