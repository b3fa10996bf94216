package repl

import (
	"context"
	"errors"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/render"
	"warren/repl/term"
)

// While a command waits for a task that no process drives, it queries the task's agents
// repeatedly. The pause between queries grows from the first value to the second.
const (
	firstAskInterval = time.Second
	lastAskInterval  = 15 * time.Second
)

// Follow implements Session.
func (s *session) Follow(ctx context.Context, task model.Task, w render.Watch) error {
	err := s.interrupts.wait(ctx, func(ctx context.Context) error { return s.await(ctx, task, w) })
	switch {
	case errors.Is(err, term.ErrInterrupted):
		s.Submitted(task.ID)
		return s.detach(ctx, task)
	case ctx.Err() != nil && err != nil:
		return cli.Stopped(task)
	default:
		return err
	}
}

// await returns nil once the task is done, or its rollout is paused and no job is under way, and its
// output is there. Meanwhile it reports progress to w.
func (s *session) await(ctx context.Context, task model.Task, w render.Watch) (err error) {
	defer func() {
		how := render.EndDone
		if err == nil {
			_ = command.AskForOutput(ctx, s.env, task) // what does not come is reported as missing
			err = ctx.Err()
		}
		if err != nil {
			how = render.EndLeft
		}
		err = errors.Join(err, w.End(context.WithoutCancel(ctx), how))
	}()
	summaries, stop, err := s.env.Store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	defer s.askAgain(ctx, task)()
	ticks := make(<-chan time.Time)
	if d := w.Interval(); d > 0 {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		state := s.env.Engine.Link()
		s.link.print(state, s.env.IO.Lang, w)
		select {
		case summary, ok := <-summaries:
			if !ok {
				return context.Cause(ctx)
			}
			if err := w.News(ctx); err != nil {
				return err
			}
			if task.Rollout == nil && summary.Ended == task.Hosts {
				return nil
			}
			if task.Rollout == nil {
				continue
			}
			// What is printed next has the events up to this state, or more.
			now, err := s.env.Store.Find(ctx, task.ID)
			if err != nil {
				return err
			}
			if err := w.Rollout(ctx, &s.rollouts); err != nil || now.Quiescent() {
				return err
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

// askAgain queries the agents of a task that no process drives, repeatedly, until the
// caller calls stop.
func (s *session) askAgain(ctx context.Context, task model.Task) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause, first := firstAskInterval, time.Duration(0)
		if s.env.Store.HasDriver(ctx, task) {
			first = firstAskInterval // it is being seen to
		}
		again := time.NewTimer(first)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				// An error means that the query was not sent; the next one may succeed.
				_ = s.env.Engine.Ask(ctx, task.ID, command.AskTimeout)
				again.Reset(pause)
				pause = min(2*pause, lastAskInterval)
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
