package target

import (
	"context"
	"fmt"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/where"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// Flags are the flags that say which hosts a command is about. Those with
// the tag inherit are for the subcommands of hosts too.
type Flags struct {
	Hosts     []string  `placeholder:"EXPR" sep:"none" help:"Target hosts: names, addresses, ranges such as web[01-20,30], groups such as @web, separated by blanks or commas. May be repeated."`
	HostsFile []string  `type:"localfile" placeholder:"FILE" sep:"none" inherit:"" help:"Read hosts from a file, one expression per line, or from an Ansible inventory in INI form; - is standard input."`
	Exclude   []string  `placeholder:"EXPR" sep:"none" inherit:"" help:"Hosts to exclude."`
	Where     *string   `placeholder:"CONDITION" help:"Only online agents that match this condition, as in 'role == \"web\" and cpus >= 8'."`
	MinHosts  cli.Count `placeholder:"N" help:"Fail, and send nothing, if fewer hosts answer."`

	EveryHost bool `kong:"-"` // instead of those that the flags name
}

// NamesHosts reports whether a flag names hosts.
func (c *Flags) NamesHosts() bool { return len(c.Hosts) > 0 || len(c.HostsFile) > 0 }

// SetDefault makes expr the hosts if no flag names any. An empty expr changes nothing.
func (c *Flags) SetDefault(expr string) {
	if !c.EveryHost && !c.NamesHosts() && expr != "" {
		c.Hosts = []string{expr}
	}
}

// Named returns the hosts that are named, nil where none is: --where alone.
func (c *Flags) Named(ctx context.Context, env *Env) (*hostexpr.Set, error) {
	if !c.NamesHosts() {
		return nil, nil
	}
	exprs, err := c.Expressions("--hosts", c.Hosts, env.Input)
	if err != nil {
		return nil, err
	}
	return c.Without(ctx, env, exprs)
}

// Without returns the hosts of the expressions that are not left out, at least
// one.
func (c *Flags) Without(ctx context.Context, env *Env, exprs []Expression) (*hostexpr.Set, error) {
	set, err := env.Evaluate(ctx, exprs)
	if err != nil {
		return nil, err
	}
	excluded, err := c.excluded(ctx, env)
	if err != nil {
		return nil, err
	}
	if set.Subtract(excluded); set.Len() == 0 {
		return nil, noHosts()
	}
	return set, nil
}

// excluded returns the hosts to leave out.
func (c *Flags) excluded(ctx context.Context, env *Env) (*hostexpr.Set, error) {
	exprs, err := (&Flags{}).Expressions("--exclude", c.Exclude, nil)
	if err != nil {
		return nil, err
	}
	return env.Evaluate(ctx, exprs)
}

// condition reads --where, and the inventory if the condition uses its variables; nil is no
// condition.
func (c *Flags) condition(ctx context.Context, env *Env) (*where.Condition, error) {
	if c.Where == nil {
		return nil, nil
	}
	condition, err := where.Parse(*c.Where)
	if err != nil {
		return nil, cli.WithStatus(cli.ExitUsage, fmt.Errorf("--where: %w", err))
	}
	if !condition.UsesVariables() {
		return condition, nil
	}
	groups := env.NewGroupLookup()
	inv, err := groups.Inventory(ctx)
	switch {
	case groups.interrupted != nil:
		return nil, groups.interrupted
	case err != nil:
		return nil, cli.WithStatus(cli.ExitUsage, fmt.Errorf("--where: %w", err))
	}
	vars := inv.Vars()
	condition.Variables = func(h *wire.Hello) map[string]any { return vars.Of(h.Names, h.Facts.Addresses) }
	return condition, nil
}

// ChooseHosts returns the target hosts of a task, at least one, and prints warnings
// about them. It queries the agents only if the flags require it.
func (c *Flags) ChooseHosts(ctx context.Context, env *Env) ([]string, error) {
	if c.EveryHost {
		return c.everyHost(ctx, env)
	}
	set, err := c.Named(ctx, env)
	if err != nil {
		return nil, err
	}
	if set == nil && c.Where == nil {
		return nil, cli.Usage(`for example run "COMMAND" --hosts "web01 web02"; `+allHint, "run: no hosts given")
	}
	if set != nil {
		if err := c.excludeOtherNames(ctx, env, set); err != nil {
			return nil, err
		}
		if slices.Equal(set.Names(), []string{"all"}) {
			env.Out.Note("hint: --hosts all is one host with the name all; %s", allHint)
		}
		if repeated := set.Repeated(); len(repeated) > 0 {
			env.Out.Note("named more than once, counted once: %s", hostexpr.Fold(repeated))
		}
		env.noteOtherSpellings(ctx, set.Names())
	}
	if c.Where == nil && c.MinHosts == 0 {
		return set.Names(), nil
	}
	selected, err := c.Ask(ctx, env, set, false)
	switch {
	case err != nil:
		return nil, err
	case c.Where == nil:
		return set.Names(), nil
	case len(selected.hosts) == 0:
		return nil, NoMatch()
	case len(selected.Silent) > 0:
		env.Out.Note("skipped, no agent answers: %s", hostexpr.Fold(selected.Silent))
	case len(selected.gone) > 0:
		env.Out.Note("skipped, offline now, matched --where earlier: %s", hostexpr.Fold(selected.gone))
	}
	return selected.hosts, nil
}

// excludeOtherNames leaves those hosts out that --exclude names by another name of their agent.
func (c *Flags) excludeOtherNames(ctx context.Context, env *Env, set *hostexpr.Set) error {
	if len(c.Exclude) == 0 {
		return nil
	}
	excluded, err := c.excluded(ctx, env)
	if err != nil {
		return err
	}
	if err := env.Start(ctx); err != nil {
		return err
	}
	agents, err := env.Store().Agents(ctx, time.Time{})
	if err != nil {
		return err
	}
	isID := make(map[string]bool, len(agents))
	for _, a := range agents {
		isID[a.Agent] = true
	}
	var out hostexpr.Set
	for _, a := range agents {
		if !slices.ContainsFunc(a.Names, excluded.Has) {
			continue
		}
		for _, name := range a.Names {
			if set.Has(name) && (name == a.Agent || !isID[name]) { // an agent may claim the id of another
				out.Add(name)
			}
		}
	}
	if out.Len() == 0 {
		return nil
	}
	env.Out.Note("left out, since --exclude has another name of them: %s", hostexpr.Fold(out.Names()))
	if set.Subtract(&out); set.Len() == 0 {
		return noHosts()
	}
	return nil
}

func noHosts() error {
	return cli.Usage("hosts expand shows what an expression stands for", "the expressions select no hosts")
}

// NoMatch is the error of a condition that selects no host.
func NoMatch() error {
	return &cli.Error{Status: cli.ExitFailed, Text: "no hosts match --where", Hint: "hosts --json lists all facts and labels of the agents that answer"}
}

// tooFew is the error of --min-hosts.
func (c *Flags) tooFew(n int, silent []string) error {
	found := term.PluralOf(n, "host answers", "hosts answer")
	if c.Where != nil {
		found = term.PluralOf(n, "host answers and matches --where", "hosts answer and match --where")
	}
	text := fmt.Sprintf("%s, but --min-hosts is %d", found, c.MinHosts)
	hint := "hosts --all also lists agents that answered earlier"
	if len(silent) > 0 {
		hint = "no agent answers to " + hostexpr.Fold(silent)
	}
	return &cli.Error{Status: cli.ExitFailed, Text: text, Hint: hint}
}
