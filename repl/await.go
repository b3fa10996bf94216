package repl

import (
	"context"
	"errors"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// While a command waits for a task that nobody drives, its agents are asked
// again after a pause that grows from the first to the second.
const (
	firstPause = time.Second
	lastPause  = 15 * time.Second
)

// waitAndShow waits until the task is done and shows it.
func (s *session) waitAndShow(ctx context.Context, task model.Task, v *result.View) error {
	if s.stdio.ErrTerminal && !task.Done() {
		s.note("task %s on %s (%s); Ctrl-C leaves it running", task.ID, term.Plural(task.Hosts, "host"), boundOf(&task))
	}
	w := s.printer().WatchFor(ctx, task, v)
	if err := s.follow(ctx, task, w); err != nil {
		return err
	}
	if s.shell {
		s.engine.Leave() // while the results are shown
	}
	if v.Streamed() {
		return s.showEnding(ctx, task, v)
	}
	return s.show(ctx, task, v)
}

// follow shows how the task goes on until it is done, or Ctrl-C leaves it.
func (s *session) follow(ctx context.Context, task model.Task, w render.Watch) error {
	err := s.interruptible(ctx, func(ctx context.Context) error { return s.await(ctx, task, w) })
	switch {
	case errors.Is(err, term.ErrInterrupted):
		s.submitted = append(s.submitted, task.ID)
		return s.detach(ctx, task)
	case isEnded(ctx, err):
		return stopped(task)
	default:
		return err
	}
}

// await returns nil once the task is done. Meanwhile w is told what happens.
func (s *session) await(ctx context.Context, task model.Task, w render.Watch) (err error) {
	defer func() {
		how := render.EndDone
		if err != nil {
			how = render.EndLeft
		}
		err = errors.Join(err, w.End(context.WithoutCancel(ctx), how))
	}()
	summaries, stop, err := s.store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	_, records := w.(*render.RecordView)
	defer s.askAgain(ctx, task)()
	ticks := make(<-chan time.Time)
	if d := w.Interval(); d > 0 {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		state := s.engine.Link()
		s.link.tell(state, w)
		select {
		case summary, ok := <-summaries:
			if !ok {
				return context.Cause(ctx)
			}
			if err := w.News(ctx); err != nil {
				return err
			}
			if task.Rollout != nil {
				if err := s.printRolloutEvents(ctx, task.ID, w, records); err != nil {
					return err
				}
			}
			if summary.Ended == task.Hosts {
				return nil
			}
		case now := <-ticks:
			if err := w.Tick(ctx, now); err != nil {
				return err
			}
		case <-changed(state):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// askAgain asks for a task that nobody drives, again and again, until the
// function returned is called.
func (s *session) askAgain(ctx context.Context, task model.Task) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause, first := firstPause, time.Duration(0)
		if s.store.HasDriver(ctx, task) {
			first = firstPause // it is being seen to
		}
		again := time.NewTimer(first)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				// An error means that nobody could be asked; the next time may be better.
				_ = s.engine.Ask(ctx, task.ID, askTime)
				again.Reset(pause)
				pause = min(2*pause, lastPause)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// changed is closed when there is a newer state; never for no state.
func changed(state *broker.State) <-chan struct{} {
	if state == nil {
		return nil
	}
	return state.Changed()
}

// needsBroker reports whether more about the task can only come from agents:
// jobs that have not ended, or are lost, or of whose output a part is missing,
// while no live process sees to them.
func (s *session) needsBroker(ctx context.Context, task model.Task) bool {
	if s.store.HasDriver(ctx, task) {
		return false
	}
	unsettled, err := s.store.HasPending(ctx, task.ID)
	return err == nil && unsettled
}

// ask asks the agents for what is missing of a task that nobody drives. Its
// error says why nobody could be asked; what is stored can be shown all the same.
func (s *session) ask(ctx context.Context, task model.Task) error {
	if !s.needsBroker(ctx, task) {
		return nil
	}
	err := s.connect(ctx)
	if err == nil {
		err = s.interruptible(ctx, func(ctx context.Context) error { return s.engine.Ask(ctx, task.ID, askTime) })
	}
	if err != nil && (!s.shell || task.Done()) && !errors.Is(err, term.ErrInterrupted) {
		s.warn(err)
		return nil
	}
	return err
}
