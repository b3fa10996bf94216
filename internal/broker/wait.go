package broker

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// CallTime is the longest that one request to the broker may take. RabbitMQ
// answers within milliseconds; seconds mean a cluster that elects, or a fleet
// that comes back to it at one moment. Who gives up and begins anew then adds to
// what keeps the broker busy, which answers what nobody awaits any more; and that
// nobody is there, the heartbeat finds out sooner.
const CallTime = 2 * time.Minute

// Within makes a call that awaits the broker's answer (channel.open,
// queue.declare, basic.cancel …). The library waits for answers without a
// bound, so if none comes within the limit the connection is closed, which ends
// the call and the session.
func Within(conn *amqp.Connection, limit time.Duration, call func() error) error {
	fired := make(chan struct{})
	timer := time.AfterFunc(limit, func() {
		defer close(fired)
		abandon(conn)
	})
	err := call()
	if !timer.Stop() {
		<-fired
		return &Error{
			Kind: ErrTimeout,
			Text: fmt.Sprintf("the broker has not answered for %v", limit),
			Err:  err,
		}
	}
	return err
}

// abandon closes a connection without waiting for the peer.
func abandon(conn *amqp.Connection) { _ = conn.CloseDeadline(time.Now()) }
