// Package where decides by a condition such as
//
//	role == "web" and os == "linux" and cpus >= 8
//
// whether a task selects an agent. The grammar is that of expr
// (https://expr-lang.org/docs/language-definition). The package supports its operators,
// texts, numbers and lists, and nothing that can loop or grow, so that the length of a
// condition bounds its cost. The meaning differs from expr, since most facts may be unknown
// for a host: an unknown fact is nil, only the comparison with nil itself is true for it,
// and a name that no host knows is an error, not a condition that is never true.
//
// The package keeps nothing, starts nothing and does no I/O.
package where

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"warren/internal/suggest"
	"warren/internal/wire"
)

// Bounds of a condition.
const (
	maxText  = 4096 // bytes
	maxNodes = 500  // operands and operators
)

// A Condition is a parsed condition, ready to match hosts.
type Condition struct {
	// Variables returns the inventory's variables of a host; see UsesVariables. A value is nil,
	// a string, a float64, a bool, a []string, or something that no condition can use.
	Variables func(h *wire.Hello) map[string]any

	usesVariables bool

	root     ast.Node
	names    []*ast.IdentifierNode
	compared map[ast.Node]bool           // what stands to the right of a comparison
	patterns map[ast.Node]*regexp.Regexp // of the texts to the right of matches
	networks map[ast.Node]netip.Prefix   // of the second arguments of within
}

// An Error describes a mistake in a condition and its position.
type Error struct {
	Column  int // of the first wrong character, from 1
	Problem string
	Hint    string // may be empty
}

func (e *Error) Error() string {
	return fmt.Sprintf("condition, column %d: %s", e.Column, e.Problem)
}

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

const exampleHint = `write it as in: role == "web" and os == "linux" and cpus >= 8`

// Parse reads a condition. Its error is an *Error.
func Parse(text string) (*Condition, error) {
	if len(text) > maxText {
		return nil, &Error{Column: 1, Problem: fmt.Sprintf("it has %d bytes, the limit is %d", len(text), maxText)}
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, syntax(text, err)
	}
	c := &Condition{root: tree.Node, compared: map[ast.Node]bool{}, patterns: map[ast.Node]*regexp.Regexp{}, networks: map[ast.Node]netip.Prefix{}}
	if err := (&checker{c: c}).condition(c.root); err != nil {
		return nil, err
	}
	return c, nil
}

// syntax puts an error of the parser into our words.
func syntax(text string, err error) error {
	var at *file.Error
	end := len([]rune(text)) + 1
	if !errors.As(err, &at) {
		return &Error{Column: 1, Problem: err.Error(), Hint: exampleHint}
	}
	e := &Error{Column: min(at.From+1, end), Problem: at.Message, Hint: exampleHint}
	if e.Column == end || at.Message == "unexpected token EOF" {
		e.Column, e.Problem = end, "it is cut short"
	} else if m := unexpected.FindStringSubmatch(at.Message); m != nil {
		token, err := strconv.Unquote(m[1])
		if err != nil {
			token = m[1]
		}
		e.Problem = fmt.Sprintf("%q is not expected here", token)
		if token == "=" {
			e.Hint = `compare with ==, as in role == "web"`
		}
	}
	return e
}

// unexpected is the parser's message about a token, such as: unexpected token Operator("=")
var unexpected = regexp.MustCompile(`^unexpected token \w+\((".*")\)$`)

// UsesVariables reports whether the condition has vars["…"]: then the caller sets Variables before
// it calls Match. Without them, each variable is nil.
func (c *Condition) UsesVariables() bool { return c.usesVariables }

// Check reports a name in the condition that is neither a fact nor a label of any
// of the hosts. Its error is an *Error.
func (c *Condition) Check(hosts []*wire.Hello) error {
	labels, values := map[string]bool{}, map[string]bool{}
	for _, h := range hosts {
		for name, value := range h.Facts.Labels {
			labels[name], values[value] = true, true
		}
	}
	for _, n := range c.names {
		if isFact(n.Value) || labels[n.Value] {
			continue
		}
		known := append(slices.Collect(maps.Keys(facts)), slices.Collect(maps.Keys(labels))...)
		slices.Sort(known)
		hint := suggest.For(n.Value, known)
		switch {
		case values[n.Value], hint == "" && c.compared[n]:
			hint = fmt.Sprintf("text needs quotes: %q", n.Value)
		case hint == "":
			hint = fmt.Sprintf("labels[%q] is nil where a host has none; hosts lists the labels there are", n.Value)
		}
		return &Error{Column: column(n), Problem: fmt.Sprintf("no host that has answered has a label %q, nor is it a fact", n.Value), Hint: hint}
	}
	return nil
}

// Match reports whether the condition is true for a host. Its error names the fact or label
// of the host that the condition cannot use.
func (c *Condition) Match(h *wire.Hello) (bool, error) {
	v, err := (&evaluator{c: c, host: h}).value(c.root)
	if err != nil {
		return false, fmt.Errorf("on %s %w", h.Agent, err)
	}
	return v == true, nil
}

func column(n ast.Node) int { return n.Location().From + 1 }
