package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/internal/suggest"
)

// Explain says what is wrong with the word at which the parser stopped: the
// first that no element of the path has taken.
func Explain(trace *kong.Context) error {
	rest := trace.Path[len(trace.Path)-1].Remainder()
	if len(rest) == 0 {
		return Usage("", "%v", trace.Error)
	}
	word := rest[0]
	node := trace.Model.Node
	if selected := trace.Selected(); selected != nil {
		node = selected
	}
	switch {
	case strings.HasPrefix(word, "-") && word != "-":
		return explainFlag(trace, node, word, rest[1:])
	case len(node.Children) > 0:
		return unknownWord(node, rest)
	}
	hint := "usage: " + node.Tag.Get("usage")
	if node.Name == "run" {
		hint = QuotingHint
	}
	if list := listHint(trace.Args[:max(0, len(trace.Args)-len(rest))], rest); list != "" {
		hint = list
	}
	if node.Name == "run" {
		return Usage(hint, "run takes one command: unexpected word %q", word)
	}
	return Usage(hint, "%s: unexpected word %q", node.Name, word)
}

// listHint is the hint for words that follow the value of a flag whose value is a list; "" if the
// words before do not end with such a flag.
func listHint(before, rest []string) string {
	n := len(before)
	if n == 0 {
		return ""
	}
	flag, value, ok := strings.Cut(before[n-1], "=")
	if !ok && n > 1 {
		flag, value = before[n-2], before[n-1]
	}
	words := append([]string{value}, valuesIn(rest)...)
	switch flag {
	case "--hosts", "--exclude":
		return fmt.Sprintf("quote the hosts: %s %q", flag, strings.Join(words, " "))
	case "--rollout":
		for i := range words {
			words[i] = strings.Trim(words[i], ",")
		}
		return "separate the stages with commas: --rollout " + strings.Join(words, ",")
	}
	return ""
}

// valuesIn returns the words before the first flag.
func valuesIn(words []string) []string {
	end := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "-") })
	if end < 0 {
		end = len(words)
	}
	return words[:end]
}

// MissingFlag reports a flag that a command requires and that is not given.
func MissingFlag(trace *kong.Context, node *kong.Node) error {
	for _, f := range node.Flags {
		given := func(p *kong.Path) bool { return p.Flag == f }
		if f.Required && !slices.ContainsFunc(trace.Path, given) {
			return Usage("usage: "+node.Tag.Get("usage"), "%s needs --%s", node.Name, f.Name)
		}
	}
	return nil
}

// An UnknownCommandError is the cause of the error about a word that is no command.
type UnknownCommandError struct{ Word string }

func (e *UnknownCommandError) Error() string { return fmt.Sprintf("unknown command %q", e.Word) }

// unknownWord is about words of which the first is neither a command nor a subcommand.
func unknownWord(node *kong.Node, words []string) error {
	if node.Name == "hosts" && suggestion(node, words[0]) == "" {
		expr := strings.Join(valuesIn(words), " ")
		if strings.ContainsAny(expr, " []*!&^") {
			expr = fmt.Sprintf("%q", expr)
		}
		return Usage("to list certain hosts: hosts --hosts "+expr, "%s: unknown word %q", node.Name, words[0])
	}
	return UnknownCommand(node, words[0])
}

// suggestion is a hint with the commands or subcommands that are spelled like word, or "".
func suggestion(node *kong.Node, word string) string {
	var known []string
	for _, child := range node.Children {
		if !child.Hidden {
			known = append(known, child.Name)
			known = append(known, child.Aliases...)
		}
	}
	return suggest.For(word, known)
}

// UnknownCommand is the error about a word that is neither a command nor a subcommand of node.
func UnknownCommand(node *kong.Node, word string) error {
	hint := suggestion(node, word)
	if node.Type != kong.ApplicationNode {
		if hint == "" {
			hint = "usage: " + node.Tag.Get("usage")
		}
		return Usage(hint, "%s: unknown word %q", node.Name, word)
	}
	if hint == "" {
		hint = "help lists the commands"
	}
	unknown := &UnknownCommandError{word}
	return &Error{Status: ExitUsage, Text: unknown.Error(), Hint: hint, Err: unknown}
}

func explainFlag(trace *kong.Context, node *kong.Node, word string, rest []string) error {
	name, _, hasValue := strings.Cut(word, "=")
	var known []string
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			long := "--" + flag.Name
			known = append(known, long)
			if long != name && (flag.Short == 0 || "-"+string(flag.Short) != name) {
				continue
			}
			switch {
			case flag.IsBool():
				return Usage("", "%s takes no value", long)
			case !hasValue && len(rest) == 0:
				return Usage("", "%s needs a value", long)
			case !hasValue && strings.HasPrefix(rest[0], "-"):
				return Usage("a value that begins with a dash is written with =: "+long+"="+rest[0], "%s needs a value", long)
			default:
				return ExplainValue(trace.Error)
			}
		}
	}
	hint := suggest.For(name, known)
	of := node.Name
	switch {
	case node.Type == kong.ApplicationNode:
		of = "warren"
	case node.Name == "run" && name == "--save":
		hint = "check_task ID --save DIR writes the output of a task into a directory"
	case node.Name == "run" && hint == "":
		hint = QuotingHint
	case node.Name == "grep" && name == "-i":
		hint = fmt.Sprintf("(?i) ignores case: grep %q", "(?i)"+strings.Join(rest[:min(1, len(rest))], ""))
	case hint == "":
		hint = "help " + node.Name + " lists its flags"
	}
	return Usage(hint, "%s has no flag %s", of, name)
}

// ExplainValue turns kong's error about a value into ours: what the value's own
// type says, after the flag's name, which kong has put before it.
func ExplainValue(err error) error {
	var file *config.Error
	if errors.As(err, &file) {
		return &Error{Status: ExitUsage, Text: file.Text, Hint: file.Hint, Err: err}
	}
	var own *Error
	if !errors.As(err, &own) {
		return &Error{Status: ExitUsage, Text: err.Error(), Err: err}
	}
	name, _, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(own.Text, name) {
		return own
	}
	return &Error{Status: ExitUsage, Text: name + ": " + own.Text, Hint: own.Hint, Err: own}
}
