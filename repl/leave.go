package repl

import (
	"context"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
)

// abandonTimeout is how long a command may take to return once the process was told to
// end. A command that writes to a pipe which nobody reads never does.
const abandonTimeout = time.Second

// carryOut runs the command until it returns, or until ctx has ended and the command
// does not notice. An abandoned command goes on until the process ends.
func (s *session) carryOut(ctx context.Context, c runner) (abandoned bool, err error) {
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, s) }()
	select {
	case err = <-done:
		return false, err
	case <-ctx.Done():
	}
	late := time.NewTimer(abandonTimeout)
	defer late.Stop()
	select {
	case err = <-done:
		return false, err
	case <-late.C:
		return true, ctx.Err()
	}
}

// A runner is a command that has been parsed.
type runner interface {
	Run(ctx context.Context, s *session) error
}

// stopped is the error of a command that waited for a task when the process was told
// to end.
func stopped(task model.Task) error {
	text := cli.ErrStopped.Error() + ": task " + task.ID + " goes on"
	if task.Rollout != nil {
		text += " on the hosts that have it"
	}
	return &cli.Error{Status: cli.ExitFailed, Text: text, Hint: "check_task " + result.ShortID(task.ID) + " shows it"}
}

// isEnded reports whether a wait has ended because the process was told to end.
func isEnded(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }

// closeNote is how long the end may take before it is explained.
const closeNote = time.Second

// close lets what was sent settle and ends the rest of the process. Once ctx has
// ended, or with Ctrl-C, that takes a few seconds at most; hurry says so from the start.
func (s *session) close(ctx context.Context, hurry bool) error {
	var engine Engine
	select {
	case engine = <-s.opened: // not s.engine: an abandoned command may still set it
	default:
		return nil
	}
	if hurry {
		engine.Hurry()
	}
	closed := make(chan error, 1)
	go func() { closed <- engine.Close() }()
	note := time.NewTimer(closeNote)
	defer note.Stop()
	told, interrupts := ctx.Done(), s.interrupts
	for {
		select {
		case err := <-closed:
			return err
		case <-note.C:
			if s.stdio.ErrTerminal {
				s.note("waiting until every host has its job or is known to be absent; Ctrl-C leaves at once")
			}
		case <-told:
			told = nil
			engine.Hurry()
		case <-interrupts:
			interrupts = nil // from now on Ctrl-C ends the process
			s.letGo()
			engine.Hurry()
		}
	}
}
