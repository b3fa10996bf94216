// Package hint adds to an error what its reader can do about it. The message and the
// hint are fields: nothing parses one out of the other's text.
package hint

import (
	"fmt"
	"strings"
)

// An Error is a message with a hint.
type Error struct {
	Message string // what happened, to which thing
	Hint    string // what the user can do; may be empty
	Err     error  // the cause, for errors.Is and errors.As; may be nil. Message already says it.
}

// Error returns the message alone. Use Text to show the hint too.
func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// New returns an error with a message and a hint.
func New(message, hint string) error { return &Error{Message: message, Hint: hint} }

// Errorf formats the message as fmt.Errorf does, %w included.
func Errorf(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Message: err.Error(), Hint: hint, Err: err}
}

// Hinter is an error of another package that has a hint of its own.
type Hinter interface{ ErrorHint() string }

// ErrorHint implements Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Of returns the hints of an error, the outermost first, and each once. An error
// that wraps several, as errors.Join does, has the hints of all.
func Of(err error) []string {
	var hints []string
	seen := map[string]bool{}
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(Hinter); ok && h.ErrorHint() != "" && !seen[h.ErrorHint()] {
			seen[h.ErrorHint()] = true
			hints = append(hints, h.ErrorHint())
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	if err != nil {
		walk(err)
	}
	return hints
}

// First returns the outermost hint of an error, or "".
func First(err error) string {
	if hints := Of(err); len(hints) > 0 {
		return hints[0]
	}
	return ""
}

// Text returns the message and, on a line each, the hints of an error, as programs
// print them.
func Text(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	for _, h := range Of(err) {
		b.WriteString("\nhint: " + h)
	}
	return b.String()
}
