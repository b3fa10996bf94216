package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"warren/internal/hint"
	"warren/internal/redact"
	"warren/repl/term"
)

// Exit statuses of the shell form. At the prompt of a pipe the highest of its
// commands' counts.
const (
	ExitOK       = 0
	ExitFailed   = 1 // some job ended otherwise or is unknown; also after Ctrl-C
	ExitUsage    = 2 // usage or configuration
	ExitNoBroker = 3
)

// ErrStopped is the error of a command that was running when the process received a signal
// to end.
var ErrStopped = errors.New("stopped before the command was done")

// An Error ends a command with an exit status. Text may be empty, where what was
// printed has already said it.
type Error struct {
	Status int
	Text   string
	Hint   string
	Err    error // the cause, for errors.Is; may be nil
}

func (f *Error) Error() string { return f.Text }

// ErrorHint implements hint.Hinter.
func (f *Error) ErrorHint() string { return f.Hint }

func (f *Error) Unwrap() error { return f.Err }

// Usage is an error of what the operator typed.
func Usage(hint, format string, args ...any) *Error {
	return &Error{Status: ExitUsage, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// Misconfigured is an Engine's error of the configuration, for exit status 2.
func Misconfigured(err error) error { return WithStatus(ExitUsage, err) }

// ExitWith ends a command with a status, without a word.
func ExitWith(status int) error {
	if status == ExitOK {
		return nil
	}
	return &Error{Status: status}
}

// WithStatus gives err an exit status, unless it has one, or somebody has ended
// the command.
func WithStatus(status int, err error) error {
	var f *Error
	if err == nil || errors.As(err, &f) || errors.Is(err, term.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Status: status, Text: err.Error(), Err: err}
}

// Report prints an error and its hints, and returns its exit status.
func Report(out *term.Console, err error) int {
	if err == nil {
		return ExitOK
	}
	status := ExitFailed
	var f *Error
	if errors.As(err, &f) {
		status = f.Status
	}
	if errors.Is(err, context.Canceled) {
		err = ErrStopped
	}
	if err.Error() == "" {
		return status
	}
	out.Note("error: %s", redact.Message(err.Error(), os.Args))
	for _, h := range hint.Of(err) {
		out.Note("hint: %s", redact.Message(h, os.Args))
	}
	return status
}
