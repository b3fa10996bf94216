package repl

import (
	"fmt"
	"io"
	"strings"

	"warren/internal/escape"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/grammar"
)

// completeWord is the command that the shells' functions call. It prints the words
// that the last argument may become. It sends nothing and reports no errors.
const completeWord = "__complete"

// complete prints the words that the last of args may become, in the shell
// form. Quotes that the shell has left on words are taken off.
func complete(w io.Writer, args []string) {
	inv, err := grammar.ParseShell(nil)
	if err != nil || len(args) == 0 {
		return
	}
	var names cli.NameStore
	if store, err := results.OpenReader(inv.Settings.DataDir); err == nil {
		defer func() { _ = store.Close() }()
		names = store
	}
	c := cli.NewCompleter(names, inv.Settings.GroupSources(new(upcall.Cache)), grammar.ShellModel())
	last := len(args) - 1
	for _, word := range c.ShellWords(args[:last], args[last]) {
		if !strings.ContainsFunc(strings.Replace(word, "\t", "", 1), escape.IsHidden) { // such as a group's name in the operator's file
			fmt.Fprintln(w, word)
		}
	}
}
