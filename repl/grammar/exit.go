package grammar

import (
	"context"

	"warren/repl/command"
)

type exitCommand struct{}

func (*exitCommand) Help() string {
	return `Ctrl-D does the same. warren exits as soon as each host has its jobs or is known to be offline. If a rollout is running, warren waits until the rollout ends or you press Ctrl-C. It does not wait for results; check_task shows them later.`
}

func (*exitCommand) Run(context.Context, *command.Env) error { return command.ErrExit }
