package command

import (
	"context"
	"errors"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/hostview"
	"warren/repl/term"
)

// checkWait is how long hosts may take to say whether they would run something.
const checkWait = 10 * time.Second

// askHosts connects to the broker and calls ask, which Ctrl-C interrupts.
func (env *Env) askHosts(ctx context.Context, ask func(ctx context.Context) error) error {
	if err := env.Connect(ctx); err != nil {
		return err
	}
	err := env.Session.Interruptible(ctx, ask)
	if errors.Is(err, term.ErrInterrupted) {
		return cli.ExitWith(cli.ExitFailed)
	}
	return err
}

// check asks each host whether it would run what spec says, and prints the
// answers. Nothing is executed, and there is no task.
func (c *Run) check(ctx context.Context, env *Env, spec model.Spec) error {
	var checks []model.Check
	err := env.askHosts(ctx, func(ctx context.Context) (err error) {
		checks, err = env.Engine.Check(ctx, spec, checkWait)
		return err
	})
	if err != nil {
		return err
	}
	return hostview.Preflight(env.IO, checks, c.JSON)
}
