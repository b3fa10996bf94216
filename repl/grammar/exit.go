package grammar

import (
	"context"

	"warren/repl/command"
)

type exitCommand struct{}

func (*exitCommand) Help() string {
	return `Ctrl-D does the same. warren exits as soon as each host has its jobs or is known to be offline. If a rollout is running, warren waits until the hosts of the last stage have their jobs, or with --verify until that stage is verified; Ctrl-C ends this wait and pauses the rollout. warren does not wait for results; check_task shows them later.`
}

func (*exitCommand) Run(context.Context, *command.Env) error { return command.ErrExit }
