package command

import (
	"context"
	"errors"
)

// ErrExit ends the prompt.
var ErrExit = errors.New("exit")

type exitCommand struct{}

func (*exitCommand) Help() string {
	return `Also Ctrl-D. It leaves as soon as every host has its jobs or is known to be absent; results are not awaited: check_task shows them at another time.`
}

func (*exitCommand) Run(context.Context, *Env) error { return ErrExit }
