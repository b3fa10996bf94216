// Package hint adds a hint to an error: what the user can do about it. Message and
// hint are fields. No code parses them out of a text.
package hint

import (
	"fmt"
	"strings"
)

// An Error is a message with a hint.
type Error struct {
	Message string // what happened
	Hint    string // what the user can do; may be empty
	Err     error  // the cause, for errors.Is and errors.As; may be nil. Message includes its text.
}

// Error returns the message alone. Text adds the hints.
func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// New returns an error with a message and a hint.
func New(message, hint string) error { return &Error{Message: message, Hint: hint} }

// Errorf formats the message like fmt.Errorf, including %w.
func Errorf(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Message: err.Error(), Hint: hint, Err: err}
}

// A Hinter is an error of another package with its own hint.
type Hinter interface{ ErrorHint() string }

// ErrorHint implements Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Of returns the hints of an error without duplicates, outermost first. For an error
// that wraps several, such as from errors.Join, it returns the hints of all.
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

// Text returns the message and the hints of an error, each on its own line, in the
// form that programs print.
func Text(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	for _, h := range Of(err) {
		b.WriteString("\nhint: " + h)
	}
	return b.String()
}
