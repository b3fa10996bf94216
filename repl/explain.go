package repl

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/internal/suggest"
)

// quotingHint is for a line whose words do not hold together as meant.
const quotingHint = `put quotes around what belongs together: run "uname -a" --hosts "web01 web02"`

// checkText refuses words that could not be sent as they are: requests are JSON.
func checkText(words []string) error {
	for _, w := range words {
		switch {
		case !utf8.ValidString(w):
			return usage("send such bytes in a file, with --script or --stdin", "%q is not UTF-8", w)
		case strings.ContainsRune(w, 0):
			return usage("", "%q contains a NUL character", w)
		}
	}
	return nil
}

// explain says what is wrong with the word at which the parser stopped: the
// first that no element of the path has taken.
func explain(trace *kong.Context) error {
	rest := trace.Path[len(trace.Path)-1].Remainder()
	if len(rest) == 0 {
		return usage("", "%v", trace.Error)
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
		return unknownCommand(node, word)
	case node.Name == "run":
		return usage(quotingHint, "run takes one command: %q is a word too many", word)
	default:
		return usage("usage: "+node.Tag.Get("usage"), "%s: %q is a word too many", node.Name, word)
	}
}

func unknownCommand(node *kong.Node, word string) error {
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
		return usage(hint, "%s: unknown word %q", node.Name, word)
	}
	if hint == "" {
		hint = "help lists the commands"
	}
	return usage(hint, "unknown command %q", word)
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
				return usage("", "%s takes no value", long)
			case !hasValue && len(rest) == 0:
				return usage("", "%s needs a value", long)
			case !hasValue && strings.HasPrefix(rest[0], "-"):
				return usage("a value that begins with a dash is written with =: "+long+"="+rest[0], "%s needs a value", long)
			default:
				return explainValue(trace.Error)
			}
		}
	}
	hint := suggest.For(name, known)
	of := node.Name
	switch {
	case node.Type == kong.ApplicationNode:
		of = "warren"
	case node.Name == "run" && hint == "":
		hint = quotingHint
	case hint == "":
		hint = "help " + node.Name + " lists its flags"
	}
	return usage(hint, "%s has no flag %s", of, name)
}

// explainValue turns kong's error about a value into ours: what the value's own
// type says, after the flag's name, which kong has put before it.
func explainValue(err error) error {
	var file *config.Error
	if errors.As(err, &file) {
		return &fault{status: exitUsage, text: file.Text, hint: file.Hint, err: err}
	}
	var own *fault
	if !errors.As(err, &own) {
		return &fault{status: exitUsage, text: err.Error(), err: err}
	}
	name, _, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(own.text, name) {
		return own
	}
	return &fault{status: exitUsage, text: name + ": " + own.text, hint: own.hint, err: own}
}
