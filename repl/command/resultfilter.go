package command

import (
	"context"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/target"
)

// A resultFilter says which results are shown, and where they go.
type resultFilter struct {
	Host    []string `placeholder:"EXPR" sep:"none" help:"Only these hosts. May be repeated."`
	Outcome []string `placeholder:"NAME,…" help:"Only hosts with this outcome or state: ok, failed, or any other."`

	cli.OutputFlags `embed:""`
}

// view checks the flags of a command that shows results, and makes a view of them.
func (f *resultFilter) view(ctx context.Context, env *Env, display *cli.DisplayFlags) (*result.View, error) {
	v, err := display.View(f.OutputFlags, env.IO.OutTerminal)
	if err != nil {
		return nil, err
	}
	return v, f.choose(ctx, env, v)
}

func (f *resultFilter) choose(ctx context.Context, env *Env, v *result.View) error {
	if len(f.Host) > 0 {
		exprs, err := (&target.Flags{}).Expressions("--host", f.Host, nil)
		if err != nil {
			return err
		}
		if v.Hosts, err = env.TargetEnv().Evaluate(ctx, exprs); err != nil {
			return err
		}
		if v.Hosts.Len() == 0 {
			return cli.Usage("hosts expand shows what an expression stands for", "--host selects no hosts")
		}
	}
	for _, text := range f.Outcome {
		name, err := cli.CheckOutcome(text, model.StatusNames())
		if err != nil {
			return err
		}
		v.Outcomes = append(v.Outcomes, name)
	}
	return nil
}
