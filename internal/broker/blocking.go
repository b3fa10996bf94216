package broker

import amqp "github.com/rabbitmq/amqp091-go"

// blockedEvents is more than the number of times that a broker can block and unblock a
// connection between the end of its listener and the end of the connection.
const blockedEvents = 8

// A blocking follows whether the broker accepts messages on a connection. One goroutine
// owns it.
type blocking struct {
	conn    *amqp.Connection
	events  chan amqp.Blocking // library → owner; the library closes it
	blocked bool
}

// watch begins to listen to a connection, once: the library waits for every listener.
func (b *blocking) watch(conn *amqp.Connection) {
	if b.conn != conn {
		*b = blocking{conn: conn, events: conn.NotifyBlocked(make(chan amqp.Blocking, blockedEvents))}
	}
}

// note takes what was received from events.
func (b *blocking) note(event amqp.Blocking, ok bool) {
	b.blocked = ok && event.Active
	if !ok {
		b.events = nil
	}
}
