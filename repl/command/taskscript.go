package command

import (
	"context"
	"fmt"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
)

// checkScript returns an error if --script is combined with flags about results.
func (c *CheckTask) checkScript() error {
	if !c.Script || c.DisplayFlags == (cli.DisplayFlags{JSON: c.JSON}) && c.OutputFlags == (cli.OutputFlags{}) && len(c.Host)+len(c.Outcome) == 0 {
		return nil
	}
	return cli.Usage("", "--script can be combined with --json only")
}

// showScript prints the script that a task has sent.
func (env *Env) showScript(ctx context.Context, task model.Task, asJSON bool) error {
	if task.Script == nil {
		return cli.Usage("tasks shows its command", "task %s has no script", task.ID)
	}
	st, err := env.statement(ctx, task)
	switch {
	case err != nil:
		return err
	case asJSON:
		return env.Printer().ScriptDocument(&task, st.Run.Script)
	}
	return env.Printer().Script(&task, st.Run.Script)
}

// statement reads the statement of a task.
func (env *Env) statement(ctx context.Context, task model.Task) (*wire.Statement, error) {
	text, err := env.Store.Statement(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	st, err := wire.DecodeStatement(text)
	if err != nil || st.Run == nil {
		return nil, fmt.Errorf("task %s: cannot read its statement from the result store: %w", task.ID, err)
	}
	return st, nil
}
