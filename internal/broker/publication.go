package broker

import amqp "github.com/rabbitmq/amqp091-go"

// A Publication is a message to publish and where its verdict goes.
type Publication struct {
	Exchange  string // empty is the default exchange
	Key       string
	Mandatory bool // have it returned if no queue takes it
	// Vouched has the broker vouch for the sender's login: Msg's UserId is set where
	// the login is known, and the broker refuses a wrong one.
	Vouched bool
	// Msg's MessageId is set by the Publisher.
	Msg amqp.Publishing
	// Answer gets the one verdict. It must have a free slot for it (a channel of
	// its own with capacity 1, or one with room for all that share it): the
	// Publisher waits for nobody and panics otherwise.
	Answer chan<- Verdict
	Ref    uint64 // echoed in the verdict

	// Acks are acknowledged just behind it, of the same session: in one write with
	// the message they cost the broker much less than by themselves.
	Acks []amqp.Delivery
}

// A Kind is what became of a publication.
type Kind int

// The kinds of verdict.
const (
	_ Kind = iota
	// Routed: the broker has taken responsibility for it. Without Mandatory
	// that includes having dropped it for want of a queue.
	Routed
	// Returned: it was mandatory and no queue took it.
	Returned
	// Nacked: the broker did not accept it, as when a queue is full. It may do so
	// later.
	Nacked
	// Refused: the broker closed the channel over this one (too large, no
	// permission), or it breaks the protocol's limits and was not sent. No queue has
	// it, and it would be refused again.
	Refused
	// Unconfirmed: the session ended first. It may have arrived or not.
	Unconfirmed
)

func (k Kind) String() string {
	switch k {
	case Routed:
		return "routed"
	case Returned:
		return "returned"
	case Nacked:
		return "nacked"
	case Refused:
		return "refused"
	case Unconfirmed:
		return "unconfirmed"
	}
	return "no verdict"
}

// A Verdict answers one publication.
type Verdict struct {
	Ref    uint64
	Kind   Kind
	Reason string // why not, for people; empty with Routed
}
