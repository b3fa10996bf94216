package command

import (
	"context"

	"warren/repl/cli"
)

type watchCommand struct {
	taskID          `embed:""`
	cli.FollowFlags `embed:""`
	JSON            bool `name:"json" help:"Wait, then print one JSON document."`
	JSONL           bool `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

func (*watchCommand) Help() string {
	return `Shows in place how far the task is, folds the results while they arrive, and names the slowest hosts; where the output is no such terminal, a line now and then. check_task shows the results themselves.

Ctrl-C leaves the task running; a second one within two seconds cancels it. Exit status as of check_task.`
}

func (c *watchCommand) Run(ctx context.Context, env *Env) error {
	flags := cli.DisplayFlags{JSON: c.JSON, JSONL: c.JSONL}
	v, err := flags.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err == nil {
		err = c.Apply(v)
	}
	if err != nil {
		return err
	}
	task, err := c.find(ctx, env, "watch")
	if err != nil {
		return err
	}
	if !task.Done() && env.needsBroker(ctx, task) {
		if err := env.Connect(ctx); err != nil {
			return err
		}
	}
	if v.JSON {
		return env.waitAndShow(ctx, task, v)
	}
	w := env.printer().StreamOf(task, v)
	if !v.Streamed() {
		w = env.printer().ProgressOn(env.IO.Out, env.IO.OutTerminal, task, v)
	}
	if err := env.Session.Follow(ctx, task, w); err != nil {
		return err
	}
	return env.showEnding(ctx, task, v)
}
