package repl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errInterrupted: Ctrl-C while a command waited.
var errInterrupted = errors.New("interrupted")

// secondTime is how soon a second Ctrl-C must follow the first to cancel.
const secondTime = 2 * time.Second

// detached is the task that the last Ctrl-C has left running.
type detached struct {
	task string // "" where there is none
	at   time.Time
}

// interruptible calls wait with a context that Ctrl-C ends, and then returns
// errInterrupted, unless wait has returned nil all the same.
func (s *session) interruptible(ctx context.Context, wait func(ctx context.Context) error) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-s.interrupts:
			cancel(errInterrupted)
		case <-stop:
		}
	}()
	err := wait(waiting)
	close(stop)
	<-stopped
	if err != nil && errors.Is(context.Cause(waiting), errInterrupted) {
		return errInterrupted
	}
	return err
}

// detach tells that the task goes on without us. From the shell it stays for the
// second Ctrl-C; at the prompt that arrives there.
func (s *session) detach(ctx context.Context, task string) error {
	s.detached = detached{task, time.Now()}
	id := shortID(task)
	if s.stdio.ErrTerminal {
		fmt.Fprintln(s.stdio.Err) // the line with ^C
	}
	s.note("detached: task %s goes on", task)
	s.note("hint: check_task %s shows it, cancel %s stops it; Ctrl-C again within two seconds cancels it now", id, id)
	if s.shell {
		timer := time.NewTimer(secondTime)
		defer timer.Stop()
		select {
		case <-s.interrupts:
			return errors.Join(s.cancelDetached(ctx), quiet(exitFailed))
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return quiet(exitFailed)
}

// cancelDetached is the second Ctrl-C. It does nothing where there was no first
// one shortly before.
func (s *session) cancelDetached(ctx context.Context) error {
	last := s.detached
	s.detached = detached{}
	if last.task == "" || time.Since(last.at) > secondTime {
		return nil
	}
	return s.cancel(ctx, last.task)
}

func (s *session) cancel(ctx context.Context, task string) error {
	err := s.interruptible(ctx, func(ctx context.Context) error { return s.engine.Cancel(ctx, task) })
	if err != nil {
		return err
	}
	s.note("cancelling task %s: check_task %s shows what becomes of it", task, shortID(task))
	return nil
}
