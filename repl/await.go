package repl

import (
	"context"
	"errors"
	"time"

	"warren/internal/broker"
	"warren/internal/results"
)

// While a command waits for a task that nobody drives, its agents are asked
// again after a pause that grows from the first to the second.
const (
	firstPause = time.Second
	lastPause  = 15 * time.Second
)

// waitAndShow waits until the task is done and shows it.
func (s *session) waitAndShow(ctx context.Context, task results.Task, v *view) error {
	if s.stdio.ErrTerminal && !task.Done() {
		s.note("task %s on %s; Ctrl-C leaves it running", task.ID, plural(task.Hosts, "host"))
	}
	err := s.interruptible(ctx, func(ctx context.Context) error { return s.await(ctx, task, v) })
	switch {
	case errors.Is(err, errInterrupted):
		s.submitted = append(s.submitted, task.ID)
		return s.detach(ctx, task)
	case err != nil:
		return err
	}
	return s.show(ctx, task, v)
}

// await returns nil once the task is done.
func (s *session) await(ctx context.Context, task results.Task, v *view) error {
	summaries, stop, err := s.store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	pause := firstPause
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		state := s.engine.Link()
		s.link.tell(state, s.stdio.Err)
		select {
		case summary, ok := <-summaries:
			if !ok {
				return context.Cause(ctx)
			}
			if err := s.tellMoves(ctx, task.ID, v.jsonl); err != nil {
				return err
			}
			if summary.Ended == task.Hosts {
				return nil
			}
		case <-again.C:
			// An error means that nobody could be asked; the next time may be better.
			_ = s.engine.Ask(ctx, task.ID, askTime)
			again.Reset(pause)
			pause = min(2*pause, lastPause)
		case <-changed(state):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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
func (s *session) needsBroker(ctx context.Context, task results.Task) bool {
	if s.store.Driven(ctx, task) {
		return false
	}
	unsettled, err := s.store.Unsettled(ctx, task.ID)
	return err == nil && unsettled
}

// ask asks the agents for what is missing of a task that nobody drives. Its
// error says why nobody could be asked; what is stored can be shown all the same.
func (s *session) ask(ctx context.Context, task results.Task) error {
	if !s.needsBroker(ctx, task) {
		return nil
	}
	err := s.connect(ctx)
	if err == nil {
		err = s.interruptible(ctx, func(ctx context.Context) error { return s.engine.Ask(ctx, task.ID, askTime) })
	}
	if err != nil && (!s.shell || task.Done()) && !errors.Is(err, errInterrupted) {
		s.warn(err)
		return nil
	}
	return err
}
