package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/wire"
)

// holderTimeout is how long the broker may take to say that a living connection holds a
// queue. It takes milliseconds. If the queue's node is down, RabbitMQ 4.3 says nothing for
// 70 s.
const holderTimeout = 3 * time.Second

// A Name is a name that at most one living connection holds. The holder has a bounded
// exclusive queue, and messages for the name arrive there.
//
// RabbitMQ with Khepri keeps an exclusive queue whose node is down until the node returns,
// and refuses the queue's name meanwhile. So a name has generations: a connection takes the
// first queue whose holder is not dead. When the node returns its queue is gone, and a
// lower generation is free while a higher one is in use. So a connection that has declared
// a queue asks for the holders of all others, and deletes its queue if one is alive. Each
// connection declares before it asks, so of two connections at least one sees the other.
type Name struct {
	Queue    func(generation int) string
	Length   int    // messages that the queue takes
	Exchange string // brings messages for the name
	Key      string // by this routing key
	// Later is the routing key of all queues but the first generation's, and Probe a
	// message that their consumers ignore. If it comes back there are no such queues.
	Later string
	Probe amqp.Publishing
}

// Claim takes a name, and returns a channel and the queue with its bindings, to be given to
// Consume. If a living connection holds the name the error is ErrTaken.
func (n *Name) Claim(c *amqp.Connection, exchanges []wire.Exchange) (*amqp.Channel, Subscription, error) {
	for g := range wire.Generations {
		ch, err := Declare(c, exchanges, ExclusiveQueue(n.Queue(g), n.Length, 0))
		if errors.Is(err, ErrTaken) {
			held, unknown := n.held(c, g)
			if unknown != nil {
				return nil, Subscription{}, unknown
			}
			if held {
				return nil, Subscription{}, err
			}
			continue
		}
		if err != nil {
			return nil, Subscription{}, err
		}
		sub := n.subscription(g)
		others, err := n.othersHold(c, ch, g)
		if err == nil && others {
			err = n.release(c, ch, g)
		}
		return ch, sub, err
	}
	return nil, Subscription{}, &Error{
		Kind:    ErrNodeDown,
		Message: fmt.Sprintf("queue %q and the %d after it belong to broker nodes that are down", n.Queue(0), wire.Generations-1),
		Hint:    "they are free again once the nodes return, or after rabbitmqctl forget_cluster_node or delete_queue",
	}
}

func (n *Name) subscription(generation int) Subscription {
	sub := Subscription{Queue: n.Queue(generation), Bindings: []Binding{{Exchange: n.Exchange, Key: n.Key}}}
	if generation > 0 {
		sub.Bindings = append(sub.Bindings, Binding{Exchange: n.Exchange, Key: n.Later})
	}
	return sub
}

// Resume opens another channel for a queue that this connection holds.
func (n *Name) Resume(c *amqp.Connection, sub Subscription) (*amqp.Channel, error) {
	return DeclareQueue(c, ExclusiveQueue(sub.Queue, n.Length, 0))
}

// release leaves a queue to the living holder of another one.
func (n *Name) release(c *amqp.Connection, ch *amqp.Channel, generation int) error {
	err := CallWithTimeout(c, CallTimeout, func() error {
		_, err := ch.QueueDelete(n.Queue(generation), false, false, false)
		return errors.Join(err, ch.Close())
	})
	if err != nil {
		return err
	}
	return taken("queue", n.Queue(generation), nil)
}

// othersHold reports whether a living connection holds a queue of the name but that of
// this generation, which ch has declared.
func (n *Name) othersHold(c *amqp.Connection, ch *amqp.Channel, generation int) (bool, error) {
	if generation == 0 {
		if none, err := n.noLater(c, ch); none || err != nil {
			return false, err
		}
	} else if err := Bind(c, ch, n.Queue(generation), Binding{Exchange: n.Exchange, Key: n.Later}); err != nil {
		return false, err
	}
	var others []int
	for g := range wire.Generations {
		if g != generation {
			others = append(others, g)
		}
	}
	return n.held(c, others...)
}

// noLater reports whether there is only the first generation's queue. The broker returns a
// message by the key of later ones before it answers what follows on the channel.
func (n *Name) noLater(c *amqp.Connection, ch *amqp.Channel) (none bool, err error) {
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	err = CallWithTimeout(c, CallTimeout, func() error {
		if err := ch.PublishWithContext(context.Background(), n.Exchange, n.Later, true, false, n.Probe); err != nil {
			return err
		}
		return ch.Qos(1, 0, false)
	})
	if err != nil {
		if e := <-closed; e != nil {
			err = e
		}
		if dial.Code(err) == amqp.AccessRefused {
			return false, forbidden(err)
		}
		return false, err
	}
	select {
	case <-returns:
		none = true
	default:
	}
	go func() { // the library waits for every listener of the channel, as long as it is open
		for range returns {
		}
	}()
	return none, nil
}

// held reports whether a living connection holds the queue of one of these generations. It
// waits up to holderTimeout.
func (n *Name) held(c *amqp.Connection, gens ...int) (bool, error) {
	type answer struct {
		living bool
		err    error
	}
	answers := make(chan answer, len(gens)) // each sends one, also when nobody waits any more
	for _, g := range gens {
		go func() {
			living, err := livingHolder(c, n.Queue(g))
			answers <- answer{living, err}
		}()
	}
	limit := time.NewTimer(holderTimeout)
	defer limit.Stop()
	for range gens {
		select {
		case a := <-answers:
			if a.living || a.err != nil {
				return a.living, a.err
			}
		case <-limit.C:
			return false, nil // the others' nodes are down
		}
	}
	return false, nil
}

// livingHolder asks whether another connection holds a queue, on a channel of its own. It
// returns when the broker answers, or the connection ends.
func livingHolder(c *amqp.Connection, queue string) (bool, error) {
	ch, err := c.Channel()
	if err != nil {
		return false, &Error{Kind: ErrLost, Message: "cannot open a channel: " + dial.Reason(err), Err: err}
	}
	defer func() { _ = ch.Close() }() // a refusal has closed it already
	_, err = ch.QueueDeclarePassive(queue, false, false, true, false, nil)
	switch {
	case err == nil: // the queue is not exclusive: no agent declared it
		return true, nil
	case dial.Code(err) == amqp.ResourceLocked:
		return true, nil
	case dial.Code(err) == amqp.AccessRefused: // says nothing: leave the name to its holder
		return true, nil
	case dial.Code(err) == amqp.NotFound: // also "due to timeout", if the queue's node is down
		return false, nil
	}
	return false, &Error{Kind: ErrLost, Message: fmt.Sprintf("cannot ask for queue %q: %s", queue, dial.Reason(err)), Err: err}
}
