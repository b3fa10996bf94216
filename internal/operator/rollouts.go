package operator

import (
	"context"
	"errors"

	"warren/dispatcher"
	"warren/internal/operator/results"
	"warren/repl/command"
)

// rollouts is the command.Rollouts of the process.
type rollouts struct {
	store      *results.Store
	dispatcher *dispatcher.Dispatcher
}

// Halt stops a rollout from beginning further jobs.
func (r rollouts) Halt(ctx context.Context, task string) (bool, error) {
	return r.dispatcher.Halt(ctx, task)
}

// Pause has a rollout begin no further job.
func (r rollouts) Pause(ctx context.Context, task string) error {
	t, err := r.store.Find(ctx, task)
	if err != nil {
		return err
	}
	return r.dispatcher.Pause(ctx, t)
}

// Resume continues a rollout in this process.
func (r rollouts) Resume(ctx context.Context, task string) error {
	t, err := r.store.Find(ctx, task)
	if err != nil {
		return err
	}
	if err := r.dispatcher.Resume(ctx, t); !errors.Is(err, dispatcher.ErrTaken) {
		return err
	}
	return command.ErrTaken
}
