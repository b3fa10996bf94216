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
	redirects := func(word string) bool { return strings.HasPrefix(word, ">") || word == "|" }
	known := cli.ChildNamed(grammar.PromptModel(), words[0]) != nil
	switch line = strings.TrimSpace(line); {
	case known && words[0] != "run" && slices.ContainsFunc(words, redirects):
		return cli.Usage("in a shell of your own: warren "+line, "the prompt has no > and no |")
	case !known && !strings.HasPrefix(usage.Hint, "did you mean"):
		return cli.Usage(hintToRun(line, p.s.env.Defaults.Expr), "%s", usage.Text)
	}
	return err
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
