package repl

import (
	"context"
	"embed"
	"fmt"
	"io"
	"strings"

	"warren/internal/escape"
	"warren/internal/operator/results"
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
		return usage("usage: completion bash, completion zsh or completion fish", "completion: %q is no shell that it knows", c.Shell)
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
	c := completer{groups: inv.settings.Groups, grammar: newParser(new(shellGrammar)).Model.Node}
	if store, err := results.OpenReader(inv.settings.DataDir); err == nil {
		defer func() { _ = store.Close() }()
		c.store = store
	}
	last := len(args) - 1
	for _, word := range c.shellWords(args[:last], args[last]) {
		if !strings.ContainsFunc(word, escape.IsHidden) { // such as a group's name in the operator's file
			fmt.Fprintln(w, word)
		}
	}
}

// shellWords are what current may become after the words before it.
func (c *completer) shellWords(before []string, current string) []string {
	var done []string
	for i := range before {
		word := strings.Trim(before[i], `"'`)
		switch {
		case word == "=" && len(done) > 0: // bash parts words there
			continue
		case len(done) == 0 && strings.HasPrefix(word, "-"): // of the whole program
			continue
		case len(done) == 0 && i > 0 && c.takesValue(before[i-1]):
			continue
		}
		done = append(done, word)
	}
	current = strings.TrimLeft(current, `"'`)
	piece := current[lastName(current):]
	head := strings.TrimSuffix(current, piece)
	var out []string
	for _, word := range c.after(before, done, current) {
		if strings.HasPrefix(word, piece) {
			out = append(out, head+strings.TrimSuffix(word, " "))
		}
	}
	return out
}

func (c *completer) after(before, done []string, current string) []string {
	if len(done) > 0 {
		return c.known(done, current, false)
	}
	if n := len(before); n > 0 && c.takesValue(before[n-1]) {
		return c.values(strings.TrimLeft(before[n-1], "-"), current)
	}
	if strings.HasPrefix(current, "-") {
		return flagNames(c.grammar)
	}
	return names(c.grammar.Children)
}

// takesValue reports whether the word after this one is the value of a flag of
// the whole program.
func (c *completer) takesValue(word string) bool {
	flag := flagNamed(c.grammar, word)
	return flag != nil && !flag.IsBool()
}
