package repl

import (
	"context"
	"embed"
	"fmt"
	"io"
	"strings"

	"warren/internal/escape"
	"warren/internal/operator/results"
	"warren/repl/cli"
)

// completeWord is the command that the shells' functions call: it prints what the
// last of its arguments may become. It asks nobody, and says nothing of mistakes.
const completeWord = "__complete"

//go:embed completion
var completionScripts embed.FS

type completionCommand struct {
	Shell string `arg:"" optional:"" help:"bash, zsh or fish."`
}

func (*completionCommand) Help() string {
	return `Prints a function that completes commands, flags, host names and ids of tasks; names and ids are those that the data directory knows.

    source <(warren completion bash)                                     in ~/.bashrc
    source <(warren completion zsh)                                      in ~/.zshrc, after compinit
    warren completion fish >~/.config/fish/completions/warren.fish`
}

func (c *completionCommand) Run(_ context.Context, s *session) error {
	text, err := completionScripts.ReadFile("completion/warren." + c.Shell)
	if err != nil {
		return cli.Usage("usage: completion bash, completion zsh or completion fish", "completion: %q is no shell that it knows", c.Shell)
	}
	_, err = s.stdio.Out.Write(text)
	return err
}

// completeFor prints the words that the last of args may become, in the shell
// form. Quotes that the shell has left on words are taken off.
func completeFor(w io.Writer, args []string) {
	inv, err := parseShell(nil)
	if err != nil || len(args) == 0 {
		return
	}
	var names cli.NameStore
	if store, err := results.OpenReader(inv.settings.DataDir); err == nil {
		defer func() { _ = store.Close() }()
		names = store
	}
	c := cli.NewCompleter(names, inv.settings.Groups, newParser(new(shellGrammar)).Model.Node)
	last := len(args) - 1
	for _, word := range c.ShellWords(args[:last], args[last]) {
		if !strings.ContainsFunc(word, escape.IsHidden) { // such as a group's name in the operator's file
			fmt.Fprintln(w, word)
		}
	}
}
