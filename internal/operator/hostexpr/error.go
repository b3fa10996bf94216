package hostexpr

import (
	"fmt"
)

// An Error says what is wrong with an expression, and where.
type Error struct {
	Column  int // of the first character at fault, from 1, in characters
	Problem string
	Hint    string // what to do about it; may be empty
	Err     error  // the cause; may be nil
}

func (e *Error) Error() string {
	return fmt.Sprintf("host expression, column %d: %s", e.Column, e.Problem)
}

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

func (e *Error) Unwrap() error { return e.Err }
