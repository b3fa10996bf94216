package command

import (
	"context"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/taskref"
)

// TaskID is the argument of the commands that are about one task.
type TaskID struct {
	ID string `arg:"" optional:"" help:"The task's id, or 4 or more of its first characters; -1 is the newest task, -2 the one before it."`
}

// FindOrNewest is Find, for commands that are about the newest task unless one is named.
func (t *TaskID) FindOrNewest(ctx context.Context, env *Env) (model.Task, error) {
	if t.ID == "" {
		t.ID = taskref.Newest
	}
	return t.Find(ctx, env, "")
}

// Find returns the task that t.ID names. An empty, unknown or ambiguous id is an error.
func (t *TaskID) Find(ctx context.Context, env *Env, command string) (model.Task, error) {
	if t.ID == "" {
		return model.Task{}, cli.Usage(taskref.Newest+" is the newest task; tasks lists the ids", "%s: no task id given", command)
	}
	if err := env.Start(ctx); err != nil {
		return model.Task{}, err
	}
	return taskref.Find(ctx, env.Store, t.ID)
}
