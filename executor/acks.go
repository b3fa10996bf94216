package executor

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// ackDelay is how long an acknowledgement waits for a reply with which it can
	// leave. The broker gives the request back only to a new connection, and the
	// queue is gone with this one: nobody waits for it.
	ackDelay = 10 * time.Second

	// maxOwed is how many wait: the broker hands over prefetch requests in advance.
	maxOwed = prefetch / 4
)

// Acks are requests that have been decided, and written as far as that is due,
// and whose acknowledgement waits for the next reply.
type acks struct {
	deliveries []amqp.Delivery
	by         time.Time
}

// add takes requests up. Those of the inbox, which outlives the connection, are
// acknowledged at once.
func (a *acks) add(ds []delivery, now time.Time) {
	for _, d := range ds {
		if d.inbox {
			acknowledge(d.Delivery)
			continue
		}
		if len(a.deliveries) == 0 {
			a.by = now.Add(ackDelay)
		}
		a.deliveries = append(a.deliveries, d.Delivery)
	}
	if len(a.deliveries) > maxOwed {
		a.settle(a.by)
	}
}

// wakeAt is when settle has something to do; zero for never.
func (a *acks) wakeAt() time.Time {
	if len(a.deliveries) == 0 {
		return time.Time{}
	}
	return a.by
}

// settle acknowledges what has waited long enough by now.
func (a *acks) settle(now time.Time) {
	if len(a.deliveries) == 0 || now.Before(a.by) {
		return
	}
	for _, d := range a.deliveries {
		acknowledge(d)
	}
	*a = acks{}
}

// acknowledge does so. It fails where the connection has been lost, and then the
// request, which is known, may come again.
func acknowledge(d amqp.Delivery) { _ = d.Ack(false) }
