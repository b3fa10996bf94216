package executor

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// ackDelay is how long an acknowledgement waits for a reply that takes it along. The
	// broker would return the request only to a new connection, and the queue ends with
	// this one, so nothing waits for the acknowledgement.
	ackDelay = 10 * time.Second

	// maxPendingAcks bounds the acknowledgements that wait. The broker delivers up to
	// prefetch requests before the first is acknowledged.
	maxPendingAcks = prefetch / 4
)

// pendingAcks are acknowledgements that wait for the next reply: sent with it, one costs the
// broker little. The journal has their requests.
type pendingAcks struct {
	deliveries []amqp.Delivery
	sendAt     time.Time
}

// add acknowledges requests: those of the inbox, which outlives the connection, at once.
func (a *pendingAcks) add(ds []delivery, now time.Time) {
	for _, d := range ds {
		if d.inbox {
			acknowledge(d.Delivery)
			continue
		}
		if len(a.deliveries) == 0 {
			a.sendAt = now.Add(ackDelay)
		}
		a.deliveries = append(a.deliveries, d.Delivery)
	}
	if len(a.deliveries) > maxPendingAcks {
		a.send()
	}
}

// wakeAt returns when tick has something to do; zero for never.
func (a *pendingAcks) wakeAt() time.Time {
	if len(a.deliveries) == 0 {
		return time.Time{}
	}
	return a.sendAt
}

// tick sends what has waited long enough.
func (a *pendingAcks) tick(now time.Time) {
	if len(a.deliveries) > 0 && !now.Before(a.sendAt) {
		a.send()
	}
}

func (a *pendingAcks) send() {
	for _, d := range a.deliveries {
		acknowledge(d)
	}
	a.deliveries = nil
}

// acknowledge acknowledges a request. This fails if the connection is lost; the request, which
// the agent knows, may then come again.
func acknowledge(d amqp.Delivery) { _ = d.Ack(false) }
