// Package rollouts has the commands pause and resume.
package rollouts

import (
	"context"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/result"
)

// Pause pauses a rollout.
type Pause struct {
	command.TaskID `embed:""`
}

func (*Pause) Help() string {
	return `Pauses a rollout, whichever process drives it: no further host gets the command, in this stage or a later one. Commands that already run continue. resume continues the rollout, also from another process; cancel ends it.

A process that has started the rollout from the shell ends when the commands that run have ended.

Exit status: 0 the rollout is paused, or has ended or stopped already; 1 the process that drives it has not answered within a few seconds; 2 wrong usage or no such task.`
}

// pauseTimeout is how long the process that drives a rollout may take to pause it. It looks
// once a second.
const pauseTimeout = 5 * time.Second

// Run implements command.Command.
func (c *Pause) Run(ctx context.Context, env *command.Env) error {
	task, err := find(ctx, env, &c.TaskID, "pause")
	if err != nil {
		return err
	}
	id := result.ShortID(task.ID)
	switch reason := task.Rollout.StopReason(); {
	case task.Done():
		env.Note("task %s is done: nothing to pause", id)
		return nil
	case reason != "":
		env.Note("task %s: %s: nothing to pause", id, reason)
		return nil
	case task.Rollout.Pause() == nil:
		if err := env.Engine.Rollouts().Pause(ctx, task.ID); err != nil {
			return err
		}
		err := env.Session.Interruptible(ctx, func(ctx context.Context) error { return awaitPause(ctx, env, &task) })
		if err != nil {
			return err
		}
	}
	switch e := task.Rollout.Pause(); {
	case e != nil:
		env.Note("task %s: %s; resume %s continues it, cancel %s ends it", id, e.Reason, id, id)
		return nil
	case task.Done() || task.Rollout.StopReason() != "":
		env.Note("task %s has ended meanwhile", id)
		return nil
	}
	return &cli.Error{
		Status: cli.ExitFailed, Text: "task " + id + ": the process that drives the rollout has not answered yet",
		Hint: "the rollout pauses as soon as that process answers, before its next stage at the latest",
	}
}

// awaitPause waits until the rollout of a task is paused or has ended, and reads the task
// again.
func awaitPause(ctx context.Context, env *command.Env, task *model.Task) error {
	summaries, stop, err := env.Store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	timeout := time.NewTimer(pauseTimeout)
	defer timeout.Stop()
	for {
		if *task, err = env.Store.Find(ctx, task.ID); err != nil || task.Rollout.Pause() != nil || task.Rollout.StopReason() != "" || task.Done() {
			return err
		}
		select {
		case _, open := <-summaries:
			if !open {
				return context.Cause(ctx)
			}
		case <-timeout.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// find returns the task of a command that is about a rollout.
func find(ctx context.Context, env *command.Env, ref *command.TaskID, name string) (model.Task, error) {
	task, err := ref.Find(ctx, env, name)
	if err == nil && task.Rollout == nil {
		err = cli.Usage("run with --rollout makes one", "%s: task %s is not a rollout", name, result.ShortID(task.ID))
	}
	return task, err
}
