package repl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/repl/cli"
	"warren/repl/command"
)

// advise adds to the error of a line that cannot be parsed what the operator can type
// instead, where that is clear.
func (p *prompt) advise(line string, words []string, err error) error {
	var usage *cli.Error
	if !errors.As(err, &usage) || len(words) == 0 {
		return err
	}
	redirects := func(word string) bool { return strings.HasPrefix(word, ">") || word == "|" }
	known := cli.ChildNamed(command.PromptModel(), words[0]) != nil
	switch hosts := p.s.env.Defaults.Expr; {
	case known && words[0] != "run" && slices.ContainsFunc(words, redirects):
		return cli.Usage("in a shell of your own: warren "+strings.TrimSpace(line), "the prompt has no > and no |")
	case !known && hosts != "" && !strings.HasPrefix(usage.Hint, "did you mean"):
		return cli.Usage(fmt.Sprintf("to run it on the hosts of use: run %q --hosts %q", strings.TrimSpace(line), hosts), "%s", usage.Text)
	}
	return err
}

// changesDirectory reports whether a command for the operator's own shell only changes that
// shell's directory, which has no effect.
func changesDirectory(local string) bool {
	words := strings.Fields(local)
	return len(words) > 0 && len(words) < 3 && words[0] == "cd"
}
