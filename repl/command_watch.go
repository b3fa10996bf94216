package repl

import "context"

type watchCommand struct {
	taskID    `embed:""`
	following `embed:""`
	JSON      bool `name:"json" help:"Wait, then print one JSON document."`
	JSONL     bool `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

func (*watchCommand) Help() string {
	return `Shows in place how far the task is, folds the results while they arrive, and names the slowest hosts; where the output is no such terminal, a line now and then. check_task shows the results themselves.

Ctrl-C leaves the task running; a second one within two seconds cancels it. Exit status as of check_task.`
}

func (c *watchCommand) Run(ctx context.Context, s *session) error {
	flags := reading{JSON: c.JSON, JSONL: c.JSONL}
	v, err := flags.check(ctx, s, &selection{})
	if err == nil {
		err = c.follow(v)
	}
	if err != nil {
		return err
	}
	task, err := c.find(ctx, s, "watch")
	if err != nil {
		return err
	}
	if !task.Done() && s.needsBroker(ctx, task) {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	if v.JSON {
		return s.waitAndShow(ctx, task, v)
	}
	w := s.printer().StreamOf(task, v)
	if !v.Streamed() {
		w = s.printer().ProgressOn(s.stdio.Out, s.stdio.OutTerminal, task, v)
	}
	if err := s.follow(ctx, task, w); err != nil {
		return err
	}
	return s.showEnding(ctx, task, v)
}
