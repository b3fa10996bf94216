package broker

import amqp "github.com/rabbitmq/amqp091-go"

// smallBody is a size that no broker in use refuses: max_message_size is 16 MiB or
// more by default, and less than this has no purpose.
const smallBody = 64 << 10

// Caution decides which publications may share a channel. The broker closes a
// channel over one publication without saying which, and whether those before it
// have arrived. So what the broker has not accepted the like of yet goes alone, and
// after a refusal fewer go together, until the broker has accepted them. It is pure
// state.
type caution struct {
	window  int
	limit   int            // publications in flight, 1 to window
	largest map[string]int // by exchange: the largest body that was accepted on this channel
}

func newCaution(window int) caution {
	return caution{window: window, limit: window, largest: map[string]int{}}
}

// newChannel says that all that was accepted was accepted on another channel.
func (c *caution) newChannel() { clear(c.largest) }

// alone reports whether a publication is to be the only one in flight.
func (c *caution) alone(p *Publication) bool {
	largest, ok := c.largest[p.Exchange]
	return !ok || len(p.Msg.Body) > max(largest, smallBody)
}

// accepted says that the broker has taken a publication, whatever became of it then.
func (c *caution) accepted(exchange string, size int) {
	if largest, ok := c.largest[exchange]; !ok || size > largest {
		c.largest[exchange] = size
	}
	c.limit = min(c.limit+1, c.window)
}

// refused says that the broker has closed the channel over one of so many.
func (c *caution) refused(inFlight int) { c.limit = max(min(c.limit, inFlight)/2, 1) }

// refuses reports whether a channel's end is about a publication: it is too large,
// its sender lacks a permission, a property is wrong. A missing exchange is not: it
// can be declared again.
func refuses(e *amqp.Error) bool {
	switch e.Code {
	case amqp.AccessRefused, amqp.PreconditionFailed, amqp.ContentTooLarge:
		return true
	}
	return false
}
