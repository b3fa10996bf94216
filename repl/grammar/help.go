package grammar

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/version"
	"warren/repl/cli"
	"warren/repl/command"
)

type helpCommand struct {
	Words []string `arg:"" optional:"" name:"command" help:"The command to explain."`

	node *kong.Node // what to explain, once found
}

// find looks up the command that is asked about.
func (h *helpCommand) find(root *kong.Node) error {
	h.node = root
	for _, word := range h.Words {
		child := cli.ChildNamed(h.node, word)
		if child == nil {
			return cli.UnknownCommand(h.node, word)
		}
		h.node = child
	}
	return nil
}

func (h *helpCommand) Run(_ context.Context, env *command.Env) error {
	var text strings.Builder
	if h.node.Type == kong.ApplicationNode {
		cli.WriteOverview(&text, env.IO.Lang, h.node)
	} else {
		cli.WriteCommandHelp(&text, env.IO.Lang, h.node)
	}
	_, err := env.IO.Page(func(w *bufio.Writer) error {
		_, err := w.WriteString(text.String())
		return err
	})
	return err
}

type versionCommand struct{}

func (versionCommand) Run(_ context.Context, env *command.Env) error {
	_, err := fmt.Fprintln(env.IO.Out, "warren", version.String())
	return err
}
