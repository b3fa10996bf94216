package command

import (
	"context"
	"errors"

	"warren/repl/cli"
	"warren/repl/term"
)

// CheckTask shows the results of a task.
type CheckTask struct {
	TaskID           `embed:""`
	Script           bool `help:"Print the script that the task has sent, instead of results."`
	resultFilter     `embed:""`
	cli.DisplayFlags `embed:""`
}

func (*CheckTask) Help() string {
	return `Shows the state of each host: pending (not sent yet), sent (no answer yet), accepted (the agent has the job), running, or its outcome with exit code, duration and output. Hosts with the same result share a block, the most frequent result last. If the task is still running, check_task shows the results so far. It asks the agents for missing results, unless another process already waits for them.

    check_task 1b4e --diff                       differences from most hosts
    check_task 1b4e --outcome failed --tail 5    last lines of the failures
    check_task 1b4e --host web07 --raw >file     unchanged bytes
    check_task 1b4e --save results               a file for each host
    check_task 1b4e --script                     what the task ran

On a terminal, long output goes through $PAGER (default less). PAGER=cat or an empty PAGER turns this off.

Exit status: 0 every host exited with 0 and no output is missing; 1 otherwise, also if the task is not done; 2 wrong usage or no such task; 3 no broker. In the plain report, output beyond --max-output does not count as missing.`
}

func (c *CheckTask) Run(ctx context.Context, env *Env) error {
	if err := c.checkScript(); err != nil {
		return err
	}
	v, err := c.view(ctx, env, &c.DisplayFlags)
	if err != nil {
		return err
	}
	task, err := c.FindOrNewest(ctx, env)
	if err != nil {
		return err
	}
	if c.Script {
		return env.showScript(ctx, task, c.JSON)
	}
	asked := env.ask(ctx, task)
	if errors.Is(asked, term.ErrInterrupted) {
		return cli.ExitWith(cli.ExitFailed)
	}
	if err := env.show(ctx, task, v); err != nil && asked == nil {
		return err
	}
	return asked
}
