package command

import (
	"context"
	"fmt"
	"slices"

	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/hostview"
	"warren/repl/setup"
	"warren/repl/target"
)

// Hosts lists agents; its subcommands evaluate expressions and forget hosts.
type Hosts struct {
	target.Flags `embed:""`

	All         bool          `help:"Also list agents that answered earlier and are offline now."`
	MetricsFile string        `help:"Write a metric for each host to this file, for Prometheus's node_exporter: 1 if it answers, 0 if it answered earlier and is offline now." placeholder:"FILE" type:"path"`
	JSON        bool          `name:"json" inherit:"" help:"Print one JSON document."`
	Expand      expandCommand `cmd:"" usage:"hosts expand EXPR …" help:"Print the names of a host expression, one per line."`
	Fold        foldCommand   `cmd:"" usage:"hosts fold NAME …" help:"Print a short expression for the names."`
	Forget      forgetCommand `cmd:"" usage:"hosts forget NAME …" help:"Remove hosts from the known hosts; results stay."`
}

// NewHosts returns a Hosts whose subcommands have its flags.
func NewHosts() Command {
	c := new(Hosts)
	c.Expand.parent, c.Fold.parent, c.Forget.parent = c, c, c
	return c
}

func (*Hosts) Help() string {
	return `Lists the agents that are online; --all also lists those that answered earlier. --where selects by facts (name, names, hostname, os, arch, version, distribution, distribution_version, kernel, addresses, cpus, memory, uptime, agent_uptime, running, queued, workers) and by labels: see docs/hosts.md. hosts expand and hosts fold need no broker; the argument - reads names from standard input. hosts forget removes hosts that are gone from hosts --all and from completion; an agent that answers again is added again. hosts warns about each agent that refuses its authorized_operators or revoked_operators file, and prints the reason. If hosts that are named do not answer, it prints why, as far as the broker knows.

    hosts --where 'role == "web" and os == "linux" and memory >= 16*GiB'
    hosts --hosts @web --metrics-file /var/lib/node_exporter/textfile/warren.prom
    hosts expand "web[01-03]"
    hosts fold web01 web02 web03
    hosts forget web07

Exit status: 0 every host of --hosts answers, or at least one host without --hosts; 1 no agent answers, no host matches --where, a host of --hosts does not answer, fewer hosts than --min-hosts answer, or hosts forget does not know a host; 2 wrong usage; 3 no broker answers.`
}

func (c *Hosts) Run(ctx context.Context, env *Env) error {
	set, err := c.Named(ctx, env.TargetEnv())
	if err != nil {
		return err
	}
	selected, err := hostview.Ask(ctx, &c.Flags, env.TargetEnv(), set, c.All, c.MetricsFile)
	if err != nil {
		return err
	}
	if set != nil { // in the order of names, not of the expression
		slices.SortFunc(selected.Agents, target.ByID)
	}
	for _, line := range target.RefusedFiles(selected.Agents) {
		env.Note("warning: %s", line)
	}
	switch {
	case c.JSON:
		err = hostview.WriteAgents(env.IO.Out, selected.Agents)
	case len(selected.Agents) > 0:
		err = hostview.Agents(env.IO, selected.Agents)
	}
	if err != nil {
		return err
	}
	if err := env.TargetEnv().ExplainSilence(ctx, &selected, set != nil); err != nil {
		return err
	}
	return c.missing(ctx, env, &selected)
}

// missing returns an error if no agent answers at all, or to some names.
func (c *Hosts) missing(ctx context.Context, env *Env, s *target.Selection) error {
	switch {
	case len(s.Silent) > 0:
		return &cli.Error{Status: cli.ExitFailed, Text: "no agent answers to " + hostexpr.Fold(s.Silent) + env.InFleet(), Hint: "hosts lists the agents that answer; hosts --all also those that answered earlier"}
	case len(s.Agents) > 0:
		return nil
	case c.Where != nil && s.Answered > 0:
		return target.NoMatch()
	}
	none := &cli.Error{Status: cli.ExitFailed, Text: "no agent answered" + env.InFleet()}
	if !s.NotAccepted {
		none.Hint = "hosts answer only keys in their authorized_operators; " + setup.KeyHint(env.SigningKeys(ctx))
	}
	return none
}

// evaluate returns the hosts of a subcommand's arguments.
func (c *Hosts) evaluate(ctx context.Context, env *Env, command string, args []string) (*hostexpr.Set, error) {
	return c.Evaluate(ctx, env.TargetEnv(), command, args, map[string]bool{"--all": c.All, "--metrics-file": c.MetricsFile != ""})
}

type expandCommand struct {
	Exprs []string `arg:"" optional:"" name:"expr" help:"Host expressions."`

	parent *Hosts
}

func (c *expandCommand) Run(ctx context.Context, env *Env) error {
	set, err := c.parent.evaluate(ctx, env, "expand", c.Exprs)
	if err != nil {
		return err
	}
	if c.parent.JSON {
		return cli.WriteJSON(env.IO.Out, map[string]any{"hosts": set.Names()})
	}
	return env.IO.Lines(set.Names())
}

type foldCommand struct {
	Names []string `arg:"" optional:"" name:"name" help:"Host names, or expressions."`

	parent *Hosts
}

func (c *foldCommand) Run(ctx context.Context, env *Env) error {
	set, err := c.parent.evaluate(ctx, env, "fold", c.Names)
	if err != nil {
		return err
	}
	folded := hostexpr.Fold(set.Names())
	if c.parent.JSON {
		return cli.WriteJSON(env.IO.Out, map[string]any{"expression": folded})
	}
	_, err = fmt.Fprintln(env.IO.Out, folded)
	return err
}

type forgetCommand struct {
	Names []string `arg:"" optional:"" name:"name" help:"Host names, or expressions."`

	parent *Hosts
}

func (c *forgetCommand) Run(ctx context.Context, env *Env) error {
	set, err := c.parent.evaluate(ctx, env, "forget", c.Names)
	if err != nil {
		return err
	}
	if err := env.Start(ctx); err != nil {
		return err
	}
	unknown, err := env.Store.ForgetHosts(ctx, set.Names())
	if err == nil && len(unknown) > 0 {
		err = &cli.Error{Status: cli.ExitFailed, Text: "not known: " + hostexpr.Fold(unknown), Hint: "hosts --all lists the known agents"}
	}
	return err
}
