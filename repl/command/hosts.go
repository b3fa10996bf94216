package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/hostview"
	"warren/repl/setup"
	"warren/repl/target"
	"warren/repl/term"
)

// Hosts lists agents; its subcommands evaluate expressions and forget hosts.
type Hosts struct {
	target.Flags `embed:""`

	All         bool          `help:"Also list agents that answered earlier and are offline now."`
	Watch       bool          `help:"Show a live table until Ctrl-C. If standard output is not a terminal, print a line for each host that goes online or offline."`
	MetricsFile string        `help:"Write a metric for each host to this file, for Prometheus's node_exporter: 1 if it answers, 0 if it answered earlier and is offline now. The name ends in .prom." placeholder:"FILE" type:"path"`
	JSON        bool          `name:"json" inherit:"" help:"Print one JSON document."`
	Expand      expandCommand `cmd:"" usage:"hosts expand EXPR …" help:"Print the names of a host expression, one per line."`
	Fold        foldCommand   `cmd:"" usage:"hosts fold NAME …" help:"Print a short expression for the names."`
	Groups      groupsCommand `cmd:"" usage:"hosts groups [EXPR …]" help:"List the groups, or those that contain hosts of an expression."`
	Forget      forgetCommand `cmd:"" usage:"hosts forget NAME …" help:"Remove hosts from the known hosts; results stay."`
}

// NewHosts returns a Hosts whose subcommands have its flags.
func NewHosts() Command {
	c := new(Hosts)
	c.Expand.parent, c.Fold.parent, c.Groups.parent, c.Forget.parent = c, c, c, c
	return c
}

func (*Hosts) Help() string {
	return `Lists the agents that are online; --all also lists those that answered earlier. --where selects by facts (name, names, hostname, os, arch, version, distribution, distribution_version, kernel, addresses, cpus, memory, uptime, agent_uptime, running, queued, workers) and by labels: see docs/hosts.md. --where also selects by variables of the Ansible inventory, as in vars["tier"]. --watch shows a live table and queries the agents every 2 seconds; Ctrl-C leaves it. hosts expand, hosts fold and hosts groups need no broker; the argument - reads names from standard input. hosts forget removes hosts that are gone from hosts --all and from completion; an agent that answers again is added again. hosts warns about each agent that refuses its authorized_operators or revoked_operators file, and prints the reason. If hosts that are named do not answer, it prints why, as far as the broker knows.

    hosts --where 'role == "web" and os == "linux" and memory >= 16*GiB'
    hosts --hosts @web --metrics-file /var/lib/node_exporter/warren.prom
    hosts --watch --hosts @web
    hosts expand "web[01-03]"
    hosts fold web01 web02 web03
    hosts groups web01
    hosts forget web07

Exit status: 0 every host of --hosts answers, or at least one host without --hosts; 1 no agent answers, no host matches --where, a host of --hosts does not answer, fewer hosts than --min-hosts answer, or hosts forget does not know a host; 2 wrong usage; 3 no broker answers.`
}

func (c *Hosts) Run(ctx context.Context, env *Env) error {
	targets := env.TargetEnv()
	set, err := c.Named(ctx, targets)
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(ctx, env, targets, set)
	}
	selected, err := hostview.Ask(ctx, &c.Flags, targets, set, c.All, c.MetricsFile)
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
	if err := targets.ExplainSilence(ctx, &selected, set != nil); err != nil {
		return err
	}
	return c.missing(ctx, env, &selected)
}

// watch shows the hosts until Ctrl-C.
func (c *Hosts) watch(ctx context.Context, env *Env, targets *target.Env, set *hostexpr.Set) error {
	for flag, given := range map[string]bool{"--json": c.JSON, "--metrics-file": c.MetricsFile != "", "--min-hosts": c.MinHosts > 0} {
		if given {
			return cli.Usage("hosts "+flag+" asks once; run it again from a timer", "--watch and %s cannot be combined", flag)
		}
	}
	poller, err := c.NewPoller(ctx, targets, set, c.All)
	if err != nil {
		return err
	}
	if env.Engine.NeedsTouch() {
		return cli.Usage("--identity names another key", "hosts --watch signs a query every few seconds, and the signing key needs a touch each time")
	}
	err = env.Session.Interruptible(ctx, func(ctx context.Context) error { return hostview.Watch(ctx, env.IO, poller) })
	if errors.Is(err, term.ErrInterrupted) {
		return nil
	}
	return err
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
	return c.Evaluate(ctx, env.TargetEnv(), command, args, c.ownFlags())
}

// ownFlags says which of the flags are given that only hosts itself has.
func (c *Hosts) ownFlags() map[string]bool {
	return map[string]bool{"--all": c.All, "--watch": c.Watch, "--metrics-file": c.MetricsFile != ""}
}

// refuseFlags is an error if a flag is given that a subcommand does not have.
func (c *Hosts) refuseFlags(command string) error { return c.Only(command, c.ownFlags()) }

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

type groupsCommand struct {
	Source string   `placeholder:"NAME" help:"Only the groups of this source."`
	Exprs  []string `arg:"" optional:"" name:"expr" help:"Host names, or expressions."`

	parent *Hosts
}

func (c *groupsCommand) Run(ctx context.Context, env *Env) error {
	var set *hostexpr.Set
	var err error
	if len(c.Exprs) > 0 || c.parent.NamesHosts() {
		set, err = c.parent.evaluate(ctx, env, "groups", c.Exprs)
	} else {
		err = c.parent.refuseFlags("groups")
	}
	if err != nil {
		return err
	}
	names, err := env.TargetEnv().ListGroups(ctx, c.Source, set)
	if c.parent.JSON && err == nil {
		return cli.WriteJSON(env.IO.Out, map[string]any{"groups": append([]string{}, names...)})
	}
	return errors.Join(env.IO.Lines(names), err)
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
