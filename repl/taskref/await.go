package taskref

import (
	"context"
	"time"

	"warren/internal/operator/model"
)

// A Watcher reports the progress of a task.
type Watcher interface {
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
}

// AwaitEnd waits until the task is done, or until the timeout.
func AwaitEnd(ctx context.Context, store Watcher, task model.Task, timeout time.Duration) error {
	summaries, stop, err := store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case summary, ok := <-summaries:
			if !ok || summary.Ended == task.Hosts {
				return nil
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
