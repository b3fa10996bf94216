package broker

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
)

// The kinds of failure once a connection is open, for errors.Is. Package dial has those
// of connecting.
var (
	ErrLost      = errors.New("the connection to the broker was lost")
	ErrBlocked   = errors.New("the broker takes no messages for now")
	ErrTimeout   = errors.New("the broker did not answer in time")
	ErrTaken     = errors.New("the queue is in use by another connection")
	ErrNodeDown  = errors.New("a broker node that is needed is down")
	ErrForbidden = errors.New("the broker forbids it")
	ErrRefused   = errors.New("the broker refused a publication")
)

// errSilentEnd: the broker has not said why the connection ended.
var errSilentEnd = errors.New("the connection ended without a message from the broker")

// An Error is the error of this package and of package dial.
type Error = dial.Error

// combineErrors makes one error of those of several URLs. It has the kind and the hint
// that help most: a refusal is a fact, an unreachable broker may come back.
func combineErrors(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	var messages []string
	for _, err := range errs {
		messages = append(messages, err.Error())
	}
	all := &Error{
		Kind:    dial.ErrUnreachable,
		Message: fmt.Sprintf("none of %d brokers can be used: %s", len(errs), strings.Join(messages, "; ")),
		Err:     errors.Join(errs...),
	}
	for _, kind := range []error{dial.ErrUnreachable, dial.ErrTLS, dial.ErrVhost, dial.ErrAccessRefused, dial.ErrCredentials} {
		for _, err := range errs {
			var e *Error
			if errors.As(err, &e) && errors.Is(e.Kind, kind) {
				all.Kind, all.Hint = e.Kind, e.Hint
			}
		}
	}
	return all
}

// IsNotFound reports whether the broker has closed a channel because a queue or an
// exchange does not exist.
func IsNotFound(err error) bool { return dial.Code(err) == amqp.NotFound }
