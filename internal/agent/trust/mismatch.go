package trust

import (
	"fmt"
	"regexp"
	"strings"
)

// mismatch explains that no expression of the rule matches a command. words is the text that
// had to match. typed is the text from which it was split; empty if there was none.
func (r *Rule) mismatch(typed, words string) string {
	text := "no permit-command matches: " + clip(words, 200)
	switch syntax, meaning := shellSyntax(typed); syntax {
	case "":
	case "\n":
		text += " (no shell runs it: a newline separates words, not commands)"
	default:
		text += fmt.Sprintf(" (no shell runs it: %s is an argument, not %s)", syntax, meaning)
	}
	return text + "; this key may run " + r.permittedCommands()
}

// mostListed limits how many expressions a refusal lists, so that the refusal is shorter than
// wire.MaxReason.
const mostListed = 5

func (r *Rule) permittedCommands() string {
	var list []string
	for i, re := range r.commands {
		if i == mostListed {
			list = append(list, fmt.Sprintf("%d more", len(r.commands)-i))
			break
		}
		list = append(list, `"`+clip(expression(re), 80)+`"`)
	}
	return strings.Join(list, " or ")
}

const (
	anchorStart = `\A(?:`
	anchorEnd   = `)\z`
)

// expression returns the text of an expression in authorized_operators.
func expression(re *regexp.Regexp) string {
	return strings.TrimSuffix(strings.TrimPrefix(re.String(), anchorStart), anchorEnd)
}

// shellMeanings are what a shell does with unquoted characters.
var shellMeanings = map[string]string{
	"|": "a pipe", "||": "an operator", "&&": "an operator", "&": "an operator", ";": "an operator", "\n": "an operator",
	"<": "a redirection", ">": "a redirection", "<<": "a redirection", ">>": "a redirection",
	"$": "an expansion", "`": "an expansion", "*": "a pattern", "(": "a subshell", ")": "a subshell",
}

// shellSyntax returns the first part of a command that has a meaning for a shell, and
// that meaning.
func shellSyntax(command string) (syntax, meaning string) {
	quote := byte(0)
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case c == quote:
			quote = 0
		case quote == '\'':
		case c == '\\':
			i++
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == '"' && c != '$' && c != '`':
		case i+1 < len(command) && shellMeanings[command[i:i+2]] != "":
			return command[i : i+2], shellMeanings[command[i:i+2]]
		case shellMeanings[command[i:i+1]] != "":
			return command[i : i+1], shellMeanings[command[i:i+1]]
		}
	}
	return "", ""
}
