package cli

import (
	"errors"
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
		return UnknownCommand(node, word)
	case node.Name == "run":
		return Usage(QuotingHint, "run takes one command: unexpected word %q", word)
	default:
		return Usage("usage: "+node.Tag.Get("usage"), "%s: unexpected word %q", node.Name, word)
	}
}

func UnknownCommand(node *kong.Node, word string) error {
	var known []string
	for _, child := range node.Children {
		if !child.Hidden {
			known = append(known, child.Name)
			known = append(known, child.Aliases...)
		}
	}
	hint := suggest.For(word, known)
	if node.Type != kong.ApplicationNode {
		if hint == "" {
			hint = "usage: " + node.Tag.Get("usage")
		}
		return Usage(hint, "%s: unknown word %q", node.Name, word)
	}
	if hint == "" {
		hint = "help lists the commands"
	}
	return Usage(hint, "unknown command %q", word)
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
	case node.Name == "run" && hint == "":
		hint = QuotingHint
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
