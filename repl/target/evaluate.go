package target

import (
	"context"
	"maps"

	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
)

// Only refuses the flags of hosts that a subcommand has no use for.
func (c *Flags) Only(command string, others map[string]bool) error {
	unused := map[string]bool{"--hosts": len(c.Hosts) > 0, "--where": c.Where != nil, "--min-hosts": c.MinHosts > 0}
	maps.Copy(unused, others)
	for flag, given := range unused {
		if given {
			return cli.Usage("help hosts "+command+" lists its flags", "hosts %s has no flag %s", command, flag)
		}
	}
	return nil
}

// Evaluate returns the hosts of the arguments of a subcommand of hosts, at least one. Others
// are flags of hosts that are not in Flags; it is an error if one of them was given.
func (c *Flags) Evaluate(ctx context.Context, env *Env, command string, args []string, others map[string]bool) (*hostexpr.Set, error) {
	if err := c.Only(command, others); err != nil {
		return nil, err
	}
	var exprs []Expression
	for _, arg := range args {
		more := []Expression{{Text: arg}}
		if arg == "-" {
			var err error
			if more, err = ReadExpressions("hosts "+command, arg, env.Input); err != nil {
				return nil, err
			}
		}
		exprs = append(exprs, more...)
	}
	more, err := c.Expressions("", nil, env.Input)
	if err != nil {
		return nil, err
	}
	if exprs = append(exprs, more...); len(exprs) == 0 {
		return nil, cli.Usage("usage: hosts "+command+` "web[01-20,30] db1"`, "hosts %s: no host given", command)
	}
	return c.Without(ctx, env, exprs)
}
