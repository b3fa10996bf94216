package command

import (
	"context"

	"warren/internal/operator/hostexpr"
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
	var err error
	if v.Hosts, err = ResultHosts(ctx, env, "--host", f.Host); err != nil {
		return err
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

// ResultHosts evaluates a flag that selects the hosts whose results are shown. It returns nil
// if the flag is not given.
func ResultHosts(ctx context.Context, env *Env, flag string, texts []string) (*hostexpr.Set, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	exprs, err := (&target.Flags{}).Expressions(flag, texts, nil)
	if err != nil {
		return nil, err
	}
	hosts, err := env.TargetEnv().Evaluate(ctx, exprs)
	if err == nil && hosts.Len() == 0 {
		err = cli.Usage("hosts expand shows what an expression stands for", "%s selects no hosts", flag)
	}
	return hosts, err
}
