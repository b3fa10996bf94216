package dial

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The kinds of failure to connect, for errors.Is.
var (
	ErrBadURL        = errors.New("a broker URL is wrong")
	ErrUnreachable   = errors.New("no broker answers")
	ErrCredentials   = errors.New("a file of the login cannot be used")
	ErrTLS           = errors.New("there is no secure connection")
	ErrAccessRefused = errors.New("the broker refuses the user")
	ErrVhost         = errors.New("the broker refuses the virtual host")
)

// An Error says what happened, to which thing, and what the user can do. Packages
// dial and broker return it.
type Error struct {
	Kind    error  // one of the Err… variables of dial or broker
	Message string // one line
	Hint    string // one line; may be empty
	Err     error  // the cause; may be nil
}

// Error returns the message alone; hint.Text shows the hint too.
func (e *Error) Error() string { return e.Message }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Unwrap lets errors.Is find the kind, and errors.As an *amqp.Error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Code returns the AMQP reply code that the broker sent, or 0 if it sent none.
func Code(err error) int {
	var e *amqp.Error
	if errors.As(err, &e) && e.Server {
		return e.Code
	}
	return 0
}

// Reason returns the broker's own text, without what the library adds to it.
func Reason(err error) string {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}
