package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// SecondInterruptTimeout is how soon a second Ctrl-C must follow the first to cancel. Only test programs
// change it, before Main.
var SecondInterruptTimeout = 2 * time.Second

// cancelTimeout is how long the second Ctrl-C waits for the broker.
const cancelTimeout = 2 * time.Second

// interrupts is the meaning of Ctrl-C. While a command waits, Ctrl-C ends the wait. A
// wait for a task leaves the task running (detach); a second Ctrl-C soon afterwards
// cancels that task. A Ctrl-C that comes too late for a wait is pending: it is for the
// next wait, or for the prompt.
type interrupts struct {
	signals <-chan os.Signal // each Ctrl-C that is not typed at the line editor
	stop    func()           // restores the usual effect of Ctrl-C

	taken      *atomic.Bool // by a wait that has not returned yet
	pending    bool
	ended      int       // waits and questions that Ctrl-C has ended
	detached   string    // the task that the last Ctrl-C left running; "" is none
	detachedAt time.Time // when
}

// wait calls f with a context that Ctrl-C cancels, and then returns
// term.ErrInterrupted, unless f has returned nil.
func (i *interrupts) wait(ctx context.Context, f func(ctx context.Context) error) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if i.pending {
		cancel(term.ErrInterrupted)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-i.signals:
			i.taken.Store(true)
			cancel(term.ErrInterrupted)
		case <-waiting.Done():
		case <-stop:
		}
	}()
	err := f(waiting)
	close(stop)
	<-stopped
	i.taken.Store(false)
	interrupted := errors.Is(context.Cause(waiting), term.ErrInterrupted)
	i.pending = interrupted && err == nil
	if interrupted && err != nil {
		i.ended++
		return term.ErrInterrupted
	}
	return err
}

// unheard reports whether Ctrl-C was pressed twice and nothing has happened yet.
func (i *interrupts) unheard() bool {
	n := len(i.signals)
	return n >= 2 || n == 1 && i.taken.Load()
}

// take takes a Ctrl-C that came while nothing waited, and reports whether there was one.
func (i *interrupts) take() bool {
	if i.pending {
		i.pending = false
		return true
	}
	select {
	case <-i.signals:
		return true
	default:
		return false
	}
}

// drain discards each Ctrl-C that has arrived.
func (i *interrupts) drain() {
	for {
		select {
		case <-i.signals:
		default:
			return
		}
	}
}

// detach remembers the task that a Ctrl-C leaves running.
func (i *interrupts) detach(task string, now time.Time) { i.detached, i.detachedAt = task, now }

// second returns the task that a further Ctrl-C cancels; "" is none. The one after it
// cancels nothing.
func (i *interrupts) second(now time.Time) string {
	task := i.detached
	i.detached = ""
	if now.Sub(i.detachedAt) > SecondInterruptTimeout {
		return ""
	}
	return task
}

// Interruptible implements Session.
func (s *session) Interruptible(ctx context.Context, wait func(ctx context.Context) error) error {
	return s.interrupts.wait(ctx, wait)
}

// DrainInterrupts implements Session.
func (s *session) DrainInterrupts() { s.interrupts.drain() }

// detach leaves a task running after Ctrl-C. The shell form stays for the second
// Ctrl-C; at the prompt that arrives there.
func (s *session) detach(ctx context.Context, task model.Task) error {
	s.interrupts.detach(task.ID, time.Now())
	id := result.ShortID(task.ID)
	if s.env.IO.ErrTerminal {
		fmt.Fprintln(s.env.IO.Err) // the line with ^C
	}
	if halted, err := s.haltRollout(ctx, task); err != nil {
		return err
	} else if halted {
		s.env.Note("detached: task %s is still running on the hosts that have it; the rollout has stopped", task.ID)
	} else {
		s.env.Note("detached: task %s is still running", task.ID)
	}
	s.env.Note("hint: check_task %s shows it, cancel %s stops it; Ctrl-C again within two seconds cancels it now", id, id)
	if s.env.Shell {
		s.Submitted(task.ID) // close may wait for it
		timer := time.NewTimer(SecondInterruptTimeout)
		defer timer.Stop()
		select {
		case <-s.interrupts.signals:
			_, err := s.cancelDetached(ctx)
			s.hurry = true
			return errors.Join(err, cli.ExitWith(cli.ExitFailed))
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return cli.ExitWith(cli.ExitFailed)
}

// haltRollout stops a rollout of the shell form, since this process is about to end and no
// other process drives it.
func (s *session) haltRollout(ctx context.Context, task model.Task) (bool, error) {
	if task.Rollout == nil || !s.env.Shell {
		return false, nil
	}
	return s.env.Engine.Rollouts().Halt(ctx, task.ID)
}

// cancelDetached takes a Ctrl-C while nothing waits. It reports whether that was a
// second one, which cancels the detached task.
func (s *session) cancelDetached(ctx context.Context) (second bool, err error) {
	task := s.interrupts.second(time.Now())
	if task == "" {
		return false, nil
	}
	// A third Ctrl-C does not stop it.
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	return true, s.env.ReportCancel(task, s.env.Engine.Cancel(ctx, task))
}
