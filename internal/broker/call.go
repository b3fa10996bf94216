package broker

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// CallTimeout is the longest that one request to the broker may take. RabbitMQ answers
// within milliseconds. Seconds mean that a cluster elects a leader, or that a whole fleet
// reconnects. A client that gives up early and starts again adds to the work of a busy
// broker, which still answers the abandoned requests; and heartbeats detect a dead
// broker sooner.
const CallTimeout = 2 * time.Minute

// CallWithTimeout makes a call that awaits the broker's answer (channel.open,
// queue.declare, basic.cancel …). The library waits for answers without a bound. So if
// none comes within the timeout the connection is closed, which ends the call and the
// session.
func CallWithTimeout(conn *amqp.Connection, timeout time.Duration, call func() error) error {
	fired := make(chan struct{})
	timer := time.AfterFunc(timeout, func() {
		defer close(fired)
		abandon(conn)
	})
	err := call()
	if !timer.Stop() {
		<-fired
		return &Error{
			Kind:    ErrTimeout,
			Message: fmt.Sprintf("the broker has not answered for %v", timeout),
			Err:     err,
		}
	}
	return err
}

// abandon closes a connection without waiting for the peer.
func abandon(conn *amqp.Connection) { _ = conn.CloseDeadline(time.Now()) }
