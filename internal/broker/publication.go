package broker

import amqp "github.com/rabbitmq/amqp091-go"

// A Publication is a message to publish, and where to send its verdict.
type Publication struct {
	Exchange  string // empty is the default exchange
	Key       string
	Mandatory bool // the broker returns it if no queue gets it
	// Vouched makes the broker vouch for the sender's login: the Publisher sets Msg's
	// UserId if it knows the login, and the broker refuses a wrong one.
	Vouched bool
	// Msg is the message. The Publisher sets its MessageId.
	Msg amqp.Publishing
	// Answer receives the one verdict. It must have a free slot for it: a channel of
	// its own with capacity 1, or one with room for all that share it. The Publisher
	// never waits for a receiver: it panics.
	Answer chan<- Verdict
	Ref    uint64 // echoed in the verdict

	// Acks are deliveries of the same session, acknowledged just behind the message.
	// In one write with it they cost the broker much less than alone.
	Acks []amqp.Delivery
}

// A Kind says what became of a publication.
type Kind int

// The kinds of verdict.
const (
	_ Kind = iota
	// Routed: the broker has taken responsibility for it. Without Mandatory, it may
	// have dropped it because no queue gets it.
	Routed
	// Returned: it was mandatory, and no queue got it.
	Returned
	// Nacked: the broker did not accept it, for example because a queue is full. It
	// may accept it later.
	Nacked
	// Refused: the broker closed the channel over this one (too large, no permission),
	// or it exceeds a limit of the protocol and was not sent. No queue has it, and the
	// broker would refuse it again.
	Refused
	// Unconfirmed: the session ended first. It may or may not have arrived.
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
	Reason string // for people; empty with Routed
}
