package command

import (
	"context"
	"errors"
	"fmt"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/term"
)

// taskID is the argument of the commands that are about one task.
type taskID struct {
	ID string `arg:"" optional:"" help:"The task's id, or 4 or more of its first characters."`
}

// find returns the task that t.ID names. An empty, unknown or ambiguous id is an error.
func (t *taskID) find(ctx context.Context, env *Env, command string) (model.Task, error) {
	if t.ID == "" {
		return model.Task{}, cli.Usage("tasks lists the ids", "%s: no task id given", command)
	}
	if err := env.Start(ctx); err != nil {
		return model.Task{}, err
	}
	task, err := env.Store.Find(ctx, t.ID)
	var ambiguous *results.AmbiguousError
	switch {
	case err == nil:
		return task, nil
	case errors.Is(err, results.ErrBadID):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("%q is not a task id", t.ID), Hint: "an id is 4 or more of the characters 0-9 and a-f, as in 1b4e28ba; tasks lists the ids", Err: results.ErrBadID}
	case errors.Is(err, results.ErrNoTask):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("no task has id %q", t.ID), Hint: "tasks lists the tasks of this data directory", Err: results.ErrNoTask}
	case errors.As(err, &ambiguous):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("id %q is ambiguous: %s", t.ID, term.List(ambiguous.IDs, 5)), Hint: "type more of the id"}
	}
	return task, err
}
