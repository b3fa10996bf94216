package command

import (
	"context"

	"warren/internal/operator/model"
	"warren/repl/result"
)

// The parts of this package that commands of other packages use.

// SendFlags are the flags of the commands that make a task.
type SendFlags = sendFlags

// Consistent refuses flags that cannot be combined.
func (c *sendFlags) Consistent() error { return c.consistent() }

// ResultView is how the results are to be shown.
func (c *sendFlags) ResultView(ctx context.Context, env *Env) (*result.View, error) {
	return c.view(ctx, env)
}

// Submit makes a task of spec by the function create, and shows its results by v. InputUsed
// says that the command has read standard input already.
func (c *sendFlags) Submit(ctx context.Context, env *Env, spec model.Spec, v *result.View, inputUsed bool, create func(context.Context, model.Spec) (model.Task, error)) error {
	return c.submit(ctx, env, spec, v, inputUsed, create)
}
