package command

import (
	"context"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/collected"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// Wait waits until a task is done, then shows its results.
type Wait struct {
	TaskID           `embed:""`
	cli.FollowFlags  `embed:""`
	resultFilter     `embed:""`
	cli.DisplayFlags `embed:""`
}

func (*Wait) Help() string {
	return `Ctrl-C leaves the task running; a second Ctrl-C within two seconds cancels it. The exit status is that of check_task.`
}

func (c *Wait) Run(ctx context.Context, env *Env) error {
	v, err := c.view(ctx, env, &c.DisplayFlags)
	if err != nil {
		return err
	}
	if err := c.Apply(v); err != nil {
		return err
	}
	task, err := c.FindOrNewest(ctx, env)
	if err != nil {
		return err
	}
	if !task.Done() && env.needsBroker(ctx, task) {
		if err := env.Connect(ctx); err != nil {
			return err
		}
	}
	return env.WaitAndShow(ctx, task, v)
}

// WaitAndShow waits until the task is done and shows it.
func (env *Env) WaitAndShow(ctx context.Context, task model.Task, v *result.View) error {
	if err := collected.Apply(ctx, env.Store, v, &task); err != nil {
		return err
	}
	if env.IO.ErrTerminal && !task.Done() {
		env.Note("task %s on %s (%s); Ctrl-C leaves it running", task.ID, term.Plural(task.Hosts, "host"), render.Limit(&task))
	}
	w := env.Printer().WatchFor(ctx, task, v)
	if err := env.Session.Follow(ctx, task, w); err != nil {
		if v.Collect != nil && v.Save != "" {
			env.Note("hint: check_task %s --save DIR saves the files", result.ShortID(task.ID))
		}
		return err
	}
	if env.Shell {
		env.Engine.Leave() // while the results are shown
	}
	if v.Streamed() {
		return env.showEnding(ctx, task, v)
	}
	return env.show(ctx, task, v)
}
