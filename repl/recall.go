package repl

import (
	"context"
	"time"

	"warren/internal/operator/model"
	"warren/repl/result"
)

// recallTime is how long a cancel waits for what the hosts say to it.
const recallTime = time.Second

// recall cancels a task and returns what that has come to by recallTime, in lines.
func (s *session) recall(ctx context.Context, task model.Task) ([]string, error) {
	before, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	if err := s.cancel(ctx, task.ID); err != nil {
		return nil, err
	}
	if err := s.awaitFor(ctx, task, recallTime); err != nil {
		return nil, err
	}
	now, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	if counts := result.CountCancelResults(before, now); counts != "" {
		return append([]string{counts}, result.Refusals(now)...), nil
	}
	return nil, nil
}

// awaitFor waits until the task is done, or for so long.
func (s *session) awaitFor(ctx context.Context, task model.Task, most time.Duration) error {
	summaries, stop, err := s.store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case summary, ok := <-summaries:
			if !ok || summary.Ended == task.Hosts {
				return nil
			}
		case <-late.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
