package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/render"
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
		err = render.WriteJSON(env.IO.Out, describeChecks(checks))
	} else {
		err = env.IO.Table(checkRows(checks))
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
		return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("%d of %s would not run it, or cannot be asked", refused, term.Plural(len(checks), "host"))}
	}
	return nil
}

func checkRows(checks []model.Check) [][]string {
	rows := [][]string{{"HOST", "WOULD RUN", "USER", "DIRECTORY", "BINARY", "COMMAND", "RULE OR REASON"}}
	for i := range checks {
		h, a := checks[i].Host, checks[i].Answer
		switch {
		case a == nil:
			rows = append(rows, []string{h, "?", "", "", "", "", checks[i].Reason})
		case !a.WouldRun:
			rows = append(rows, []string{h, "no", a.User, a.Cwd, "", shellquote.Join(a.Argv...), a.Reason})
		default:
			rows = append(rows, []string{h, "yes", a.User, a.Cwd, a.Binary, shellquote.Join(a.Argv...), a.Rule})
		}
	}
	return rows
}

// A checkDocument is a host's answer in JSON. What is not known is null.
type checkDocument struct {
	Host     string    `json:"host"`
	Agent    *string   `json:"agent"`
	WouldRun *bool     `json:"would_run"`
	Reason   *string   `json:"reason"`
	Rule     *string   `json:"rule"`
	User     *string   `json:"user"`
	Argv     *[]string `json:"argv"`
	Binary   *string   `json:"binary"`
	Cwd      *string   `json:"cwd"`
}

func describeChecks(checks []model.Check) map[string]any {
	list := make([]checkDocument, len(checks))
	for i := range checks {
		d := checkDocument{Host: checks[i].Host, Reason: render.PtrOrNil(checks[i].Reason)}
		if a := checks[i].Answer; a != nil {
			d.Agent, d.WouldRun, d.Reason, d.Rule = render.PtrOrNil(a.Agent), &a.WouldRun, render.PtrOrNil(a.Reason), render.PtrOrNil(a.Rule)
			d.User, d.Binary, d.Cwd = render.PtrOrNil(a.User), render.PtrOrNil(a.Binary), render.PtrOrNil(a.Cwd)
			if a.Argv != nil {
				d.Argv = &a.Argv
			}
		}
		list[i] = d
	}
	return map[string]any{"checks": list}
}
