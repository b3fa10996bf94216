package broker

import amqp "github.com/rabbitmq/amqp091-go"

// smallBody is a size that every broker in use accepts: max_message_size is 16 MiB or
// more by default, and a limit below 64 KiB would be useless.
const smallBody = 64 << 10

// A sendWindow decides how many publications may be in flight together. The broker
// closes a channel over one publication without saying which one, and without saying
// whether those before it have arrived. So a publication unlike those that the broker
// has accepted goes alone. After a refusal fewer go together, until the broker has
// accepted them. It is pure state.
type sendWindow struct {
	size    int
	limit   int            // publications in flight, 1 to size
	largest map[string]int // by exchange: the largest body that was accepted on this channel
}

func newSendWindow(size int) sendWindow {
	return sendWindow{size: size, limit: size, largest: map[string]int{}}
}

// newChannel forgets what was accepted on another channel.
func (w *sendWindow) newChannel() { clear(w.largest) }

// mustGoAlone reports whether a publication has to be the only one in flight.
func (w *sendWindow) mustGoAlone(p *Publication) bool {
	largest, ok := w.largest[p.Exchange]
	return !ok || len(p.Msg.Body) > max(largest, smallBody)
}

// accepted notes that the broker has accepted a publication, whether or not a queue got it.
func (w *sendWindow) accepted(exchange string, size int) {
	if largest, ok := w.largest[exchange]; !ok || size > largest {
		w.largest[exchange] = size
	}
	w.limit = min(w.limit+1, w.size)
}

// refused notes that the broker has closed the channel over one of the publications in
// flight.
func (w *sendWindow) refused(inFlight int) { w.limit = max(min(w.limit, inFlight)/2, 1) }

// refusesPublication reports whether the broker closed a channel over a publication: it
// is too large, its sender lacks a permission, or a property is wrong. A missing
// exchange does not count: it can be declared again.
func refusesPublication(e *amqp.Error) bool {
	switch e.Code {
	case amqp.AccessRefused, amqp.PreconditionFailed, amqp.ContentTooLarge:
		return true
	}
	return false
}
