package command

import (
	"context"

	"warren/repl/cli"
	"warren/repl/collected"
)

// Watch shows the progress of a task.
type Watch struct {
	TaskID          `embed:""`
	cli.FollowFlags `embed:""`
	JSON            bool `name:"json" help:"Wait, then print one JSON document."`
	JSONL           bool `name:"jsonl" help:"Print one JSON object per line as results arrive."`
}

func (*Watch) Help() string {
	return `Shows a live view of the task: counts, results by frequency, and the slowest hosts. If standard output is not a terminal, watch prints a progress line from time to time. check_task shows the results.

Ctrl-C leaves the task running; a second Ctrl-C within two seconds cancels it. The exit status is that of check_task.`
}

func (c *Watch) Run(ctx context.Context, env *Env) error {
	flags := cli.DisplayFlags{JSON: c.JSON, JSONL: c.JSONL}
	v, err := flags.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err == nil {
		err = c.Apply(v)
	}
	if err != nil {
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
	if v.JSON {
		return env.WaitAndShow(ctx, task, v)
	}
	if err := collected.Apply(ctx, env.Store, v, &task); err != nil {
		return err
	}
	w := env.Printer().StreamOf(task, v)
	if !v.Streamed() {
		w = env.Printer().ProgressOn(env.IO.Out, env.IO.OutTerminal, task, v)
	}
	if err := env.Session.Follow(ctx, task, w); err != nil {
		return err
	}
	return env.showEnding(ctx, task, v)
}
