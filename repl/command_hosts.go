package repl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/hostexpr"
	"warren/internal/results"
	"warren/internal/wire"
)

// discoverTime is the longest that hosts waits for agents.
const discoverTime = 3 * time.Second

type hostsCommand struct {
	JSON   bool          `name:"json" help:"Print one JSON document."`
	Expand expandCommand `cmd:"" usage:"hosts expand EXPR …" help:"Print the names that a host expression stands for, one a line."`
	Fold   foldCommand   `cmd:"" usage:"hosts fold NAME …" help:"Print a short expression for the names."`
}

func (*hostsCommand) Help() string {
	return `Every agent that is connected answers; who does not is not listed. expand and fold need neither broker nor agents.

    hosts expand "web[01-03]"
    hosts fold web01 web02 web03`
}

func (c *hostsCommand) Run(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	var agents []results.Agent
	err := s.interruptible(ctx, func(ctx context.Context) (err error) {
		agents, err = s.engine.Discover(ctx, discoverTime)
		return err
	})
	if errors.Is(err, errInterrupted) {
		return quiet(exitFailed)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(agents, func(a, b results.Agent) int { return cmp.Compare(a.Agent, b.Agent) })
	for _, line := range rivals(agents) {
		s.note("warning: %s", line)
	}
	if c.JSON {
		return writeAgents(s.stdio.Out, agents)
	}
	if len(agents) == 0 {
		s.note("no agent has answered")
		return nil
	}
	return s.printAgents(agents)
}

type expandCommand struct {
	Exprs []string `arg:"" optional:"" name:"expr" help:"Host expressions."`

	parent *hostsCommand
}

func (c *expandCommand) Run(_ context.Context, s *session) error {
	set, err := hostexpr.Parse(strings.Join(c.Exprs, " "), wire.MaxLeaves)
	if err != nil {
		return withStatus(exitUsage, err)
	}
	if c.parent.JSON {
		return writeJSON(s.stdio.Out, map[string]any{"hosts": set.Names()})
	}
	return s.printLines(set.Names())
}

type foldCommand struct {
	Names []string `arg:"" optional:"" name:"name" help:"Host names, or expressions."`

	parent *hostsCommand
}

func (c *foldCommand) Run(_ context.Context, s *session) error {
	set, err := hostexpr.Parse(strings.Join(c.Names, " "), wire.MaxLeaves)
	if err != nil {
		return withStatus(exitUsage, err)
	}
	folded := hostexpr.Fold(set.Names())
	if c.parent.JSON {
		return writeJSON(s.stdio.Out, map[string]any{"expression": folded})
	}
	_, err = fmt.Fprintln(s.stdio.Out, folded)
	return err
}
