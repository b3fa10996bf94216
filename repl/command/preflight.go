package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/hostview"
	"warren/repl/term"
)

// checkWait is how long hosts may take to say whether they would run something.
const checkWait = 10 * time.Second

// check asks each host whether it would run what spec says, and prints the
// answers. Nothing is executed, and there is no task.
func (c *runCommand) check(ctx context.Context, env *Env, spec model.Spec) error {
	if err := env.Connect(ctx); err != nil {
		return err
	}
	var checks []model.Check
	err := env.Session.Interruptible(ctx, func(ctx context.Context) (err error) {
		checks, err = env.Engine.Check(ctx, spec, checkWait)
		return err
	})
	if errors.Is(err, term.ErrInterrupted) {
		return cli.ExitWith(cli.ExitFailed)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		err = hostview.WriteChecks(env.IO.Out, checks)
	} else {
		err = hostview.Checks(env.IO, checks)
	}
	if err != nil {
		return err
	}
	refused := 0
	for i := range checks {
		if checks[i].Answer == nil || !checks[i].Answer.WouldRun {
			refused++
		}
	}
	if refused > 0 {
		return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("%d of %s would not run it or did not answer", refused, term.Plural(len(checks), "host"))}
	}
	return nil
}
