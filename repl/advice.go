package repl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/internal/hint"
	"warren/repl/cli"
	"warren/repl/grammar"
)

// advise adds a hint to the error of a line that cannot be parsed: what to type instead, if
// that is clear.
func (p *prompt) advise(line string, words []string, err error) error {
	var usage *cli.Error
	if !errors.As(err, &usage) || len(words) == 0 {
		return err
	}
	if _, _, ok := wideMark(line); ok {
		return adviseOnMarks(line, err)
	}
	line = strings.TrimSpace(line)
	switch known := cli.ChildNamed(grammar.PromptModel(), words[0]) != nil; {
	case known:
		if advice := adviseOnShellSyntax(line, words); advice != nil {
			return advice
		}
	case terminalHints[words[0]] != "":
		return cli.Usage(terminalHints[words[0]], "%s", usage.Text)
	case !strings.HasPrefix(usage.Hint, "did you mean"):
		return cli.Usage(hintToRun(line, p.s.env.Defaults.Expr), "%s", usage.Text)
	}
	return err
}

// terminalHints are hints for words that people type at any prompt and that are not for hosts.
var terminalHints = map[string]string{
	"history": "the up arrow and Ctrl-R bring back earlier lines; help lists the commands",
	"clear":   "Ctrl-L clears the screen; help lists the commands",
	"cls":     "Ctrl-L clears the screen; help lists the commands",
	"man":     "help lists the commands, help COMMAND explains one",
	"?":       "help lists the commands, help COMMAND explains one",
}

// adviseOnShellSyntax returns an error about syntax of a shell behind a command of the prompt, or
// nil. Behind the words of run it is syntax for the hosts whose quotes are missing, unless the
// command was in quotes or the hosts precede the syntax.
func adviseOnShellSyntax(line string, words []string) error {
	at := slices.IndexFunc(words, isShellSyntax)
	if at < 1 {
		return nil
	}
	before, after := words[:at], words[at:]
	if words[0] == "run" {
		hosts := func(word string) bool {
			return strings.HasPrefix(word, "--hosts") || word == "--where" || word == "--all"
		}
		if slices.ContainsFunc(after, hosts) || !slices.ContainsFunc(before, hosts) && !strings.ContainsAny(line, `"'`) {
			return nil
		}
	}
	switch mark := after[0]; {
	case mark == "&":
		return cli.Usage("at the prompt, run, push and collect return at once", "the prompt has no &")
	case strings.HasSuffix(mark, ";"), mark == "&&", mark == "||":
		return cli.Usage("type each command on a line of its own", "the prompt has no ; && or ||")
	}
	return cli.Usage("in a shell of your own: warren "+line, "the prompt has no > and no |")
}

// isShellSyntax reports whether a word has a meaning to a shell that it does not have to the prompt.
func isShellSyntax(word string) bool {
	return slices.Contains([]string{"|", "&", "&&", "||"}, word) || strings.HasSuffix(word, ";") || strings.HasPrefix(word, ">") || strings.HasPrefix(word, "2>")
}

// hintToRun is the hint for a line that is not a command of the prompt: how to run it on hosts.
func hintToRun(line, defaultHosts string) string {
	if defaultHosts == "" {
		return fmt.Sprintf("to run it on hosts: run %q --hosts EXPR; help lists the commands", line)
	}
	return fmt.Sprintf("to run it on the default hosts: run %q --hosts %q", line, defaultHosts)
}

// adviseOnMarks adds a hint to a usage error if the line has one of wideMarks.
func adviseOnMarks(line string, err error) error {
	var usage *cli.Error
	typed, want, ok := wideMark(line)
	if !ok || !errors.As(err, &usage) || usage.Status != cli.ExitUsage || strings.Contains(strings.Join(hint.Of(err), ""), string(typed)) {
		return err
	}
	return &cli.Error{Status: cli.ExitUsage, Text: err.Error(), Hint: fmt.Sprintf("the line has %q, perhaps from an input method: type %s instead", typed, want)}
}

// wideMarks are marks that input methods and word processors write, with what to type instead.
var wideMarks = map[rune]string{
	'“': `"`, '”': `"`, '„': `"`, '＂': `"`, '「': `"`, '」': `"`, '‘': "'", '’': "'", '＇': "'",
	'，': ",", '、': ",", '—': "--", '–': "--", '－': "-", '\u3000': "a blank", '\u00a0': "a blank", '＝': "=", '［': "[", '］': "]", '【': "[", '】': "]", '＠': "@",
}

// checkQuotes refuses a line with quotation marks of an input method outside " and ', since the
// prompt would not split it into the intended words. Within " or ' these marks are text.
func checkQuotes(line string) error {
	var quote rune // that is open, or 0
	escaped := false
	for _, c := range line {
		want := wideMarks[c]
		switch {
		case escaped:
			escaped = false
		case c == '\\' && quote != '\'':
			escaped = true
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && (want == `"` || want == "'"):
			return cli.Usage(fmt.Sprintf("the line has %q, perhaps from an input method: type %s instead", c, want), "%c is not a quotation mark of the prompt: nothing was sent", c)
		}
	}
	return nil
}

// wideMark returns the first of wideMarks in a line, and what to type instead.
func wideMark(line string) (typed rune, want string, ok bool) {
	for _, c := range line {
		if want, ok := wideMarks[c]; ok {
			return c, want, true
		}
	}
	return 0, "", false
}

// changesDirectory reports whether a command for the operator's own shell only changes that
// shell's directory, which has no effect.
func changesDirectory(local string) bool {
	words := strings.Fields(local)
	return len(words) > 0 && len(words) < 3 && words[0] == "cd"
}
