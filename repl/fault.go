package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"warren/internal/hint"
	"warren/internal/redact"
)

// Exit statuses of the shell form. At the prompt of a pipe the highest of its
// commands' counts.
const (
	exitOK       = 0
	exitFailed   = 1 // some job ended otherwise or is unknown; also after Ctrl-C
	exitUsage    = 2 // usage or configuration
	exitNoBroker = 3
)

// errStopped is what is said when the process was told to end.
var errStopped = errors.New("stopped before it was done")

// A fault ends a command with an exit status. Text may be empty, where what was
// printed has already said it.
type fault struct {
	status int
	text   string
	hint   string
	err    error // the cause, for errors.Is; may be nil
}

func (f *fault) Error() string { return f.text }

// ErrorHint implements hint.Hinter.
func (f *fault) ErrorHint() string { return f.hint }

func (f *fault) Unwrap() error { return f.err }

// usage is a fault of what the operator typed.
func usage(hint, format string, args ...any) *fault {
	return &fault{status: exitUsage, text: fmt.Sprintf(format, args...), hint: hint}
}

// Misconfigured is an Engine's error of the configuration, for exit status 2.
func Misconfigured(err error) error { return withStatus(exitUsage, err) }

// quiet ends a command with a status, without a word.
func quiet(status int) error {
	if status == exitOK {
		return nil
	}
	return &fault{status: status}
}

// withStatus gives err an exit status, unless it has one, or somebody has ended
// the command.
func withStatus(status int, err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) || errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	return &fault{status: status, text: err.Error(), err: err}
}

// report writes an error and its hints, and returns its exit status.
func report(stdio *Stdio, err error) int {
	if err == nil {
		return exitOK
	}
	status := exitFailed
	var f *fault
	if errors.As(err, &f) {
		status = f.status
	}
	if errors.Is(err, context.Canceled) {
		err = errStopped
	}
	if err.Error() == "" {
		return status
	}
	// Errors of the result store still have their hint in the message.
	text, stored, found := strings.Cut(err.Error(), "\nhint: ")
	hints := hint.Of(err)
	if found {
		hints = append(hints, stored)
	}
	stdio.tell("error: " + redact.Message(text, os.Args))
	for _, h := range hints {
		stdio.tell("hint: " + redact.Message(h, os.Args))
	}
	return status
}
