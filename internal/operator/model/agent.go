package model

import (
	"time"

	"warren/internal/wire"
)

// An Agent is the last answer of an agent to a discover.
type Agent struct {
	wire.Hello
	Seen time.Time `json:"-"` // when its last answer came, by this operator's clock

	// Duplicates is how many others have answered the same discover with its id, up to 9.
	// The operator cannot tell which one is genuine.
	Duplicates int `json:"duplicates,omitempty"`
	// TwoLogins says that one of them has another login at the broker.
	TwoLogins bool `json:"two_logins,omitempty"`
}

// A Check is a host's answer to the question whether it would run something. It
// is not stored, since it is valid only when it is given.
type Check struct {
	Host   string
	Answer *wire.Checked // nil: it has not answered
	Reason string        // then: why not
}

// A Reach says how far a message for a host gets whose agent does not answer.
type Reach uint8

const (
	ReachUnknown Reach = iota
	NotConnected       // no queue gets the message
	NotAccepted        // the broker could not put it into the host's queue
	Unanswered         // it is in an agent's queue
)

// Rights are a host's answer to the question what the key of this operator may do there.
// They are not stored, since they are valid only when they are given.
type Rights struct {
	Host    string
	Answer  *wire.Granted // nil: the host has listed none
	Refused bool          // then: the host has answered, and refuses the question
	Reason  string        // then: why
}

// Permitted reports whether the key may do anything on the host.
func (r *Rights) Permitted() bool { return r.Answer != nil && r.Answer.State == wire.GrantValid }
