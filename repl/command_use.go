package repl

import (
	"context"
	"fmt"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/term"
)

type useCommand struct {
	Exprs []string `arg:"" optional:"" name:"expr" help:"Host expressions."`
	Clear bool     `help:"Use none any more."`
	JSON  bool     `name:"json" help:"Print one JSON document."`
}

func (*useCommand) Help() string {
	return `The prompt shows them. Each run finds out anew what the expression stands for; --hosts of a run replaces it. Without an expression it tells which hosts are used.

    use "web[01-20]"
    run uptime
    use --clear`
}

func (c *useCommand) Run(ctx context.Context, s *session) error {
	switch expr := strings.Join(c.Exprs, " "); {
	case c.Clear && expr != "":
		return cli.Usage("", "use: --clear and hosts contradict each other")
	case c.Clear:
		s.use = used{}
	case expr != "":
		set, err := hostexpr.Evaluate(expr, wire.MaxLeaves, s.targetEnv().LookupGroup(ctx))
		if err != nil {
			return cli.WithStatus(cli.ExitUsage, fmt.Errorf("use: %w", err))
		}
		s.use = used{expr, set.Names()}
	}
	if c.JSON {
		doc := map[string]any{"expression": render.PtrOrNil(s.use.expr), "folded": render.PtrOrNil(hostexpr.Fold(s.use.hosts)), "hosts": append([]string{}, s.use.hosts...)}
		return render.WriteJSON(s.stdio.Out, doc)
	}
	if s.use.expr == "" {
		s.note("run needs --hosts: no hosts are used")
		return nil
	}
	_, err := fmt.Fprintf(s.stdio.Out, "%s: %s\n", term.Plural(len(s.use.hosts), "host"), hostexpr.Fold(s.use.hosts))
	return err
}

// used are the hosts of the runs that name none.
type used struct {
	expr  string   // "" is none
	hosts []string // that it stood for when it was given
}

// promptText is the prompt, with the hosts that are used, as long as there is
// room for a command.
func (s *session) promptText() string {
	if s.use.expr == "" {
		return promptText
	}
	room := 32
	if width := s.stdio.Width(); width > 0 {
		room = min(room, width/3)
	}
	hosts := hostexpr.Fold(s.use.hosts)
	if n := fmt.Sprintf(" (%d)", len(s.use.hosts)); len(hosts) > room {
		hosts = term.Clip(hosts, max(room-len(n), 1)) + n
	}
	return strings.TrimSuffix(promptText, "> ") + " " + hosts + "> "
}
