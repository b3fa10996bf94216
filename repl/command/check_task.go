package command

import (
	"context"
	"errors"

	"warren/repl/cli"
	"warren/repl/term"
)

type checkCommand struct {
	taskID           `embed:""`
	resultFilter     `embed:""`
	cli.DisplayFlags `embed:""`
}

func (*checkCommand) Help() string {
	return `Shows how far the hosts are: pending (not sent yet), sent (nothing heard), accepted (the agent has it), running, or how they ended, with exit code, duration and output. Hosts with the same result share a block: outliers come first, what most hosts say comes last. While the task runs it shows what there is and says what is missing. Agents are asked again where nobody else waits for them.

    check_task 1b4e --diff                       what differs from most
    check_task 1b4e --outcome failed --tail 5    how the failures end
    check_task 1b4e --host web07 --raw >file     bytes as they came
    check_task 1b4e --save results               a file for each host

On a terminal long output goes through $PAGER (default less; cat or nothing turns it off).

Exit status: 0 every host exited with 0; 1 otherwise, or not done, or output is missing; 2 no such task; 3 no broker to ask.`
}

func (c *checkCommand) Run(ctx context.Context, env *Env) error {
	v, err := c.view(ctx, env, &c.DisplayFlags)
	if err != nil {
		return err
	}
	task, err := c.find(ctx, env, "check_task")
	if err != nil {
		return err
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
