package broker

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The kinds of failure, for errors.Is.
var (
	ErrBadURL        = errors.New("a broker URL is wrong")
	ErrUnreachable   = errors.New("no broker answers")
	ErrCredentials   = errors.New("a file of the login cannot be used")
	ErrTLS           = errors.New("there is no secure connection")
	ErrAccessRefused = errors.New("the broker refuses the user")
	ErrVhost         = errors.New("the broker refuses the virtual host")
	ErrLost          = errors.New("the connection to the broker was lost")
	ErrBlocked       = errors.New("the broker takes no messages for now")
	ErrTimeout       = errors.New("the broker did not answer in time")
	ErrTaken         = errors.New("the queue is in use by another connection")
	ErrForbidden     = errors.New("the broker forbids it")
	ErrRefused       = errors.New("the broker refused a publication")
)

// An Error says what happened, to which thing, and what to do. No error of this
// package contains a password.
type Error struct {
	Kind error  // one of the Err… above
	Text string // one line
	Hint string // one line; may be empty
	Err  error  // what lies below; may be nil
}

func (e *Error) Error() string { return e.Text }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Unwrap lets errors.Is find the kind, and errors.As an *amqp.Error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// gather makes one error of what each of several URLs gave. The kind that tells
// most about what to do comes first: a refusal is a fact, an unreachable broker
// may be a passing thing.
func gather(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	all := &Error{
		Kind: ErrUnreachable,
		Text: fmt.Sprintf("none of %d brokers can be used: %s", len(errs), strings.Join(texts, "; ")),
		Err:  errors.Join(errs...),
	}
	for _, kind := range []error{ErrUnreachable, ErrTLS, ErrVhost, ErrAccessRefused, ErrCredentials} {
		for _, err := range errs {
			var e *Error
			if errors.As(err, &e) && e.Kind == kind {
				all.Kind, all.Hint = e.Kind, e.Hint
			}
		}
	}
	return all
}

// code is the AMQP reply code that the broker gave; 0 where it gave none.
func code(err error) int {
	var e *amqp.Error
	if errors.As(err, &e) && e.Server {
		return e.Code
	}
	return 0
}

// IsNotFound reports whether the broker has ended a channel since a queue or an
// exchange does not exist.
func IsNotFound(err error) bool { return code(err) == amqp.NotFound }

// reason is the broker's own text without the library's decoration.
func reason(err error) string {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}
