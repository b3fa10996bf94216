package command

import (
	"context"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/term"
)

// Use sets the default hosts.
type Use struct {
	Exprs []string `arg:"" optional:"" name:"expr" help:"Host expressions."`
	Clear bool     `help:"Remove the default hosts."`
	JSON  bool     `name:"json" help:"Print one JSON document."`
}

func (*Use) Help() string {
	return `Sets the default hosts: those of each run, push, collect and rights that names none. The prompt shows them. Each of these commands evaluates the expression again. Without an expression, use prints the default hosts.

    use "web[01-20]"
    run uptime
    use --clear`
}

func (c *Use) Run(ctx context.Context, env *Env) error {
	switch expr := strings.Join(c.Exprs, " "); {
	case c.Clear && expr != "":
		return cli.Usage("", "use: --clear and hosts cannot be combined")
	case c.Clear:
		env.Defaults = DefaultHosts{}
	case expr != "":
		set, err := env.TargetEnv().NewGroupLookup().Evaluate(ctx, "use", expr)
		if err != nil {
			return err
		}
		env.Defaults = DefaultHosts{expr, set.Names()}
	}
	if c.JSON {
		doc := map[string]any{"expression": cli.PtrOrNil(env.Defaults.Expr), "folded": cli.PtrOrNil(hostexpr.Fold(env.Defaults.Hosts)), "hosts": append([]string{}, env.Defaults.Hosts...)}
		return cli.WriteJSON(env.IO.Out, doc)
	}
	if env.Defaults.Expr == "" {
		env.Note("no default hosts: run, push and collect need --hosts")
		return nil
	}
	_, err := env.IO.Lang.Fprintf(env.IO.Out, "%s: %s\n", term.Plural(len(env.Defaults.Hosts), "host"), hostexpr.Fold(env.Defaults.Hosts))
	return err
}

// DefaultHosts are the hosts of the runs that name none.
type DefaultHosts struct {
	Expr  string   // "" is none
	Hosts []string // that it stood for when it was given
}
