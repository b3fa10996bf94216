package repl

import (
	"context"
	"errors"
	"slices"
	"time"

	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/term"
)

// abandonTimeout is how long a command may take to return once the process has received a
// signal to end. A command that writes to a pipe without a reader never returns.
const abandonTimeout = time.Second

// unheardInterval is how often carryOut checks whether Ctrl-C was pressed twice without an effect, for
// example while the command reads standard input. Two checks in a row must find it.
const unheardInterval = 300 * time.Millisecond

// carryOut runs the command and reports its error, until ctx has ended or Ctrl-C was pressed twice
// and it does not notice: the report, too, may write to a pipe without a reader. It returns the
// exit status. An abandoned command goes on until the process ends.
func (s *session) carryOut(ctx context.Context, run func(ctx context.Context) error) (abandoned bool, status int) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	done := make(chan int, 1)
	go func() {
		err := run(ctx)
		if errors.Is(err, command.ErrExit) {
			err = nil
		}
		done <- cli.Report(s.env.IO, err)
	}()
	person := !s.env.Shell && s.env.IO.InTerminal && s.env.IO.OutTerminal // who types at the prompt
	look := time.NewTicker(unheardInterval)
	defer look.Stop()
	for unheard := 0; ctx.Err() == nil; {
		select {
		case status = <-done:
			return false, status
		case <-ctx.Done():
		case <-look.C:
			if person || !s.interrupts.unheard() || s.env.IO.Paging() {
				unheard = 0
			} else if unheard++; unheard == 2 {
				end(term.ErrInterrupted)
				if s.env.IO.Leave != nil {
					s.env.IO.Leave()
				}
			}
		}
	}
	late := time.NewTimer(abandonTimeout)
	defer late.Stop()
	select {
	case status = <-done:
		return false, status
	case <-late.C:
		return true, cli.Report(s.env.IO, context.Cause(ctx))
	}
}

// closeNote is how long the end may take before it is explained.
const closeNote = time.Second

// close lets what was sent settle and ends the rest of the process. Once ctx has
// ended, or with Ctrl-C, that takes a few seconds at most. Abandoned says that a command still runs
// and uses the session.
func (s *session) close(ctx context.Context, abandoned bool) error {
	var engine command.Engine
	select {
	case engine = <-s.opened: // not Env.Engine: an abandoned command may still set it
	default:
		return nil
	}
	if !abandoned && s.hurry {
		s.hurryUp(engine)
	}
	closed, notified := make(chan error, 1), make(chan struct{})
	go func() {
		s.notifier.Finish() // while the store can be read
		close(notified)
		closed <- engine.Close()
	}()
	note := time.NewTimer(closeNote)
	defer note.Stop()
	ended, interrupts := ctx.Done(), s.interrupts.signals
	for {
		select {
		case err := <-closed:
			return err
		case <-note.C:
			s.explainClose(engine, abandoned, notified)
		case <-ended:
			ended = nil
			s.hurryUp(engine)
		case <-interrupts:
			interrupts = nil // from now on Ctrl-C ends the process
			s.interrupts.stop()
			s.hurryUp(engine)
		}
	}
}

// explainClose prints what close waits for. Notified is closed when the programs of --notify have ended.
func (s *session) explainClose(engine command.Engine, abandoned bool, notified <-chan struct{}) {
	if !s.env.IO.ErrTerminal {
		return
	}
	reasons := []string{"each host has its job or is known to be offline"}
	pushes := func(id string) bool { _, ok := engine.Transfer(id); return ok }
	if !abandoned && slices.ContainsFunc(s.submitted, pushes) {
		reasons = append(reasons, "the broker has the files of each push")
	}
	select {
	case <-notified:
	default:
		reasons = append(reasons, "the programs of --notify have ended")
	}
	for _, reason := range reasons {
		s.env.Note("waiting until %s; Ctrl-C exits at once", reason)
	}
}

// hurryUp has the rest of the process end within a few seconds.
func (s *session) hurryUp(engine command.Engine) {
	s.notifier.Hurry()
	engine.Hurry()
}
