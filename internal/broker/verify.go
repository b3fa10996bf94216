package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
)

// verifyTimeout is how long the broker may take to say whether a queue exists. It
// answers within milliseconds. RabbitMQ 4.3 does not answer at all if the queue belongs
// to a node that is down.
const verifyTimeout = 30 * time.Second

// A Subscription is a queue that a session consumes, and its bindings.
type Subscription struct {
	Queue    string
	Bindings []Binding
}

// An Interval says how often Verify checks: after First, then every Then. Each wait is
// between three and five quarters of that, so that a fleet does not check at one moment.
type Interval struct{ First, Then time.Duration }

func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2+1) }

// Verify checks repeatedly that the broker still has a session's queues, and that each
// has a consumer. It also binds each queue again, which changes nothing if the binding
// exists. A broker can lose any of these without closing the channel or the connection;
// a session that does not check then waits for messages that never come.
//
// It returns an error if something is missing or the broker does not answer, and nil
// when ctx ends. While the broker blocks the connection, Verify waits: it would get no
// answer.
func Verify(ctx context.Context, conn *amqp.Connection, every Interval, subs ...Subscription) error {
	v := verifier{conn: conn, subs: subs, timeout: verifyTimeout}
	v.blocking.watch(conn)
	timer := time.NewTimer(jitter(every.First))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if err := v.verify(ctx); err != nil {
				return err
			}
			timer.Reset(jitter(every.Then))
		case b, ok := <-v.blocking.events:
			v.blocking.note(b, ok)
		case <-ctx.Done():
			return nil
		}
	}
}

// verifier is the state of one Verify.
type verifier struct {
	conn     *amqp.Connection
	subs     []Subscription
	timeout  time.Duration
	blocking blocking
}

// verify makes one round. The library's calls cannot be interrupted. So they run in a
// goroutine, and verify waits for it.
func (v *verifier) verify(ctx context.Context) error {
	if v.blocking.blocked {
		return nil
	}
	done := make(chan error, 1)
	go func() {
		for _, sub := range v.subs {
			if err := sub.verify(v.conn); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	limit := time.NewTimer(v.timeout)
	defer limit.Stop()
	for {
		select {
		case err := <-done:
			return err
		case b, ok := <-v.blocking.events:
			if v.blocking.note(b, ok); !v.blocking.blocked {
				limit.Reset(v.timeout)
			}
		case <-limit.C:
			if v.blocking.blocked {
				continue // the broker does not read from this connection
			}
			abandon(v.conn)
			<-done //nolint:errcheck // the timeout is the error
			return &Error{Kind: ErrTimeout, Message: fmt.Sprintf("the broker has not said for %v whether %s", v.timeout, v.question())}
		case <-ctx.Done():
			<-done //nolint:errcheck // the end of the session ends its connection, and so the call
			return nil
		}
	}
}

func (v *verifier) question() string {
	if len(v.subs) == 1 {
		return fmt.Sprintf("queue %q exists", v.subs[0].Queue)
	}
	return fmt.Sprintf("queue %q and %d others exist", v.subs[0].Queue, len(v.subs)-1)
}

// verify checks one queue. Each call has a channel of its own, because a refusal closes
// the channel. RabbitMQ 4.2.6 and 4.3.0 refuse a passive declare to a user without
// configure permission: that says nothing about the queue.
func (s *Subscription) verify(conn *amqp.Connection) error {
	for _, call := range s.calls() {
		ch, err := conn.Channel()
		if err != nil {
			return &Error{Kind: ErrLost, Message: "cannot open a channel: " + dial.Reason(err), Err: err}
		}
		err = call(ch)
		_ = ch.Close() // fails if a refusal has closed it
		if err != nil && dial.Code(err) != amqp.AccessRefused {
			return err
		}
	}
	return nil
}

func (s *Subscription) consumed(ch *amqp.Channel) error {
	q, err := ch.QueueDeclarePassive(s.Queue, false, false, false, false, nil)
	switch {
	case err != nil:
		return s.missing(err)
	case q.Consumers == 0:
		return &Error{Kind: ErrLost, Message: fmt.Sprintf("the broker has lost the consumer of queue %q", s.Queue)}
	}
	return nil
}

func (s *Subscription) bind(ch *amqp.Channel) error {
	for _, b := range s.Bindings {
		if err := ch.QueueBind(s.Queue, b.Key, b.Exchange, false, nil); err != nil {
			return s.missing(err)
		}
	}
	return nil
}

func (s *Subscription) missing(err error) error {
	return &Error{Kind: ErrLost, Message: fmt.Sprintf("the broker has lost queue %q or its exchange: %s", s.Queue, dial.Reason(err)), Err: err}
}

// calls returns the requests of one check.
func (s *Subscription) calls() []func(*amqp.Channel) error {
	if len(s.Bindings) == 0 {
		return []func(*amqp.Channel) error{s.consumed}
	}
	return []func(*amqp.Channel) error{s.consumed, s.bind}
}
