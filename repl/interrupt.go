package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// secondTime is how soon a second Ctrl-C must follow the first to cancel.
const secondTime = 2 * time.Second

// cancelTime is how long the second Ctrl-C waits until the cancel is on its way.
const cancelTime = 2 * time.Second

// detached is the task that the last Ctrl-C has left running.
type detached struct {
	task string // "" where there is none
	at   time.Time
}

// interruptible calls wait with a context that Ctrl-C ends, and then returns
// term.ErrInterrupted, unless wait has returned nil all the same. Then the Ctrl-C is
// for what waits next.
func (s *session) interruptible(ctx context.Context, wait func(ctx context.Context) error) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.late {
		cancel(term.ErrInterrupted)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-s.interrupts:
			cancel(term.ErrInterrupted)
		case <-waiting.Done():
		case <-stop:
		}
	}()
	err := wait(waiting)
	close(stop)
	<-stopped
	interrupted := errors.Is(context.Cause(waiting), term.ErrInterrupted)
	s.late = interrupted && err == nil
	if interrupted && err != nil {
		return term.ErrInterrupted
	}
	return err
}

// interruptedBefore takes a Ctrl-C that came while nothing waited.
func (s *session) interruptedBefore() bool {
	if s.late {
		s.late = false
		return true
	}
	select {
	case <-s.interrupts:
		return true
	default:
		return false
	}
}

// detach tells that the task goes on without us. From the shell it stays for the
// second Ctrl-C; at the prompt that arrives there.
func (s *session) detach(ctx context.Context, task model.Task) error {
	s.detached = detached{task.ID, time.Now()}
	id := result.ShortID(task.ID)
	if s.stdio.ErrTerminal {
		fmt.Fprintln(s.stdio.Err) // the line with ^C
	}
	// Who leaves a rollout leaves nobody to drive it.
	if halted, err := s.haltedByLeaving(ctx, task); err != nil {
		return err
	} else if halted {
		s.note("detached: task %s goes on where it was told already, and no further host is told", task.ID)
	} else {
		s.note("detached: task %s goes on", task.ID)
	}
	s.note("hint: check_task %s shows it, cancel %s stops it; Ctrl-C again within two seconds cancels it now", id, id)
	if s.shell {
		timer := time.NewTimer(secondTime)
		defer timer.Stop()
		select {
		case <-s.interrupts:
			_, err := s.cancelDetached(ctx)
			s.hurry = true
			return errors.Join(err, cli.ExitWith(cli.ExitFailed))
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return cli.ExitWith(cli.ExitFailed)
}

// haltedByLeaving ends a rollout that the shell form has driven.
func (s *session) haltedByLeaving(ctx context.Context, task model.Task) (bool, error) {
	if task.Rollout == nil || !s.shell {
		return false, nil
	}
	return s.engine.Halt(ctx, task.ID)
}

// cancelDetached takes a Ctrl-C while nothing waits. It reports whether that was
// a second one, which cancels the task that the first has left.
func (s *session) cancelDetached(ctx context.Context) (second bool, err error) {
	last := s.detached
	s.detached = detached{}
	if last.task == "" || time.Since(last.at) > secondTime {
		return false, nil
	}
	// Not interruptible: who presses it three times means it all the more.
	ctx, cancel := context.WithTimeout(ctx, cancelTime)
	defer cancel()
	return true, s.canceling(last.task, s.engine.Cancel(ctx, last.task))
}

func (s *session) cancel(ctx context.Context, task string) error {
	return s.canceling(task, s.interruptible(ctx, func(ctx context.Context) error { return s.engine.Cancel(ctx, task) }))
}

// canceling tells that a cancel is on its way, if it is.
func (s *session) canceling(task string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &cli.Error{Status: cli.ExitFailed, Text: "the broker takes no cancel now: task " + task + " goes on", Hint: "try again: cancel " + result.ShortID(task), Err: err}
	}
	if err != nil {
		return err
	}
	s.note("canceling task %s: check_task %s shows what becomes of it", task, result.ShortID(task))
	return nil
}

// page writes results, through a pager where they are long. Ctrl-C that was pressed
// there was for the pager.
func (s *session) page(write func(w *bufio.Writer) error) error {
	paged, err := s.stdio.Page(write)
	if paged {
		s.dropInterrupts()
	}
	return err
}

// dropInterrupts forgets Ctrl-C that was pressed in another program.
func (s *session) dropInterrupts() {
	for {
		select {
		case <-s.interrupts:
		default:
			return
		}
	}
}
