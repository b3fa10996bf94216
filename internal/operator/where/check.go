package where

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"

	"warren/internal/hostname"
)

// A checker checks that a condition has only supported elements, and a true or false value
// wherever one is required.
type checker struct {
	c     *Condition
	nodes int
}

// The operators that make a condition of two values, and a value of two.
const (
	comparisons = " == != < <= > >= in contains startsWith endsWith matches "
	arithmetic  = " + - * / % ?? "
)

func contains(words, word string) bool { return strings.Contains(words, " "+word+" ") }

// condition checks a node that must be true or false.
func (k *checker) condition(n ast.Node) error {
	switch n := n.(type) {
	case *ast.BoolNode:
		return k.count(n)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return firstError(k.count(n), func() error { return k.condition(n.Node) })
		}
	case *ast.BinaryNode:
		switch {
		case contains(" and && or || ", n.Operator):
			return firstError(k.count(n), func() error { return k.condition(n.Left) }, func() error { return k.condition(n.Right) })
		case contains(comparisons, n.Operator):
			return k.comparison(n)
		}
	case *ast.CallNode:
		if functionName(n) == "within" {
			return k.within(n)
		}
	}
	if err := k.value(n); err != nil {
		return err
	}
	return fail(n, fmt.Sprintf("%s is not true or false", n), fmt.Sprintf(`compare it with something, as in %s == "x" or %s != nil`, n, n))
}

func (k *checker) comparison(n *ast.BinaryNode) error {
	normalizeNames(n)
	k.c.compared[n.Right] = true
	err := firstError(k.count(n), func() error { return k.operand(n.Left) })
	switch n.Operator {
	case "matches":
		return firstError(err, func() error { return k.pattern(n.Right) })
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			err = firstError(err, func() error { return k.count(list) })
			for _, item := range list.Nodes {
				k.c.compared[item] = true
				err = firstError(err, func() error { return k.value(item) })
			}
			return err
		}
		if k.isMap(n.Right) {
			return firstError(err, func() error { return k.count(n.Right) })
		}
	}
	return firstError(err, func() error { return k.operand(n.Right) })
}

// operand checks a side of a comparison, which may be a condition in brackets.
func (k *checker) operand(n ast.Node) error {
	switch n.(type) {
	case *ast.NilNode, *ast.BoolNode:
		return k.count(n)
	}
	return k.value(n)
}

// pattern checks the right side of matches.
func (k *checker) pattern(n ast.Node) error {
	text, ok := n.(*ast.StringNode)
	if !ok {
		return fail(n, "matches needs a regular expression in quotes", `write it as in: name matches "^web[0-9]+$"`)
	}
	re, err := regexp.Compile(text.Value)
	if err != nil {
		return fail(n, fmt.Sprintf("%q is not a regular expression: %s", text.Value, strings.TrimPrefix(err.Error(), "error parsing regexp: ")), "the syntax is RE2's: https://github.com/google/re2/wiki/Syntax")
	}
	k.c.patterns[n] = re
	return k.count(n)
}

// within checks within(addresses, "10.0.0.0/8").
func (k *checker) within(n *ast.CallNode) error {
	const hint = `write it as in: within(addresses, "10.0.0.0/8")`
	if len(n.Arguments) != 2 {
		return fail(n, "within needs addresses and a network", hint)
	}
	text, ok := n.Arguments[1].(*ast.StringNode)
	if !ok {
		return fail(n.Arguments[1], "within needs a network in quotes", hint)
	}
	network, err := netip.ParsePrefix(text.Value)
	if err != nil {
		return fail(text, fmt.Sprintf("%q is not a network", text.Value), hint)
	}
	k.c.networks[text] = network.Masked()
	return firstError(k.count(n), func() error { return k.value(n.Arguments[0]) })
}

// value checks a node that must be a text, a number, a list, or nil.
func (k *checker) value(n ast.Node) error {
	if err := k.count(n); err != nil {
		return err
	}
	switch n := n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
		return nil
	case *ast.IdentifierNode:
		if k.isMap(n) {
			return fail(n, n.Value+" are many", fmt.Sprintf(`name one, as in %s["role"]`, n.Value))
		}
		k.c.names = append(k.c.names, n)
		return nil
	case *ast.MemberNode:
		if _, ok := n.Property.(*ast.StringNode); ok && k.isMap(n.Node) && !n.Method {
			return nil
		}
		return fail(n, fmt.Sprintf("%s is not understood", n), `only labels and vars have members, as in labels["role"]`)
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			return k.value(n.Node)
		}
		return fail(n, fmt.Sprintf("%s is all that %q applies to here", n.Node, n.Operator), fmt.Sprintf(`put what is denied in brackets, as in %s (role == "web")`, n.Operator))
	case *ast.BinaryNode:
		if contains(arithmetic, n.Operator) {
			return firstError(k.value(n.Left), func() error { return k.value(n.Right) })
		}
		if !contains(comparisons+"and && or || ", n.Operator) {
			return fail(n, fmt.Sprintf("%q is not an operator of conditions", n.Operator), exampleHint)
		}
	case *ast.BuiltinNode:
		if n.Name == "lower" && len(n.Arguments) == 1 {
			return k.value(n.Arguments[0])
		}
		return fail(n, fmt.Sprintf("there is no function %s", n.Name), functionsHint)
	case *ast.CallNode:
		if name := functionName(n); name != "within" {
			return fail(n, fmt.Sprintf("there is no function %s", name), functionsHint)
		}
	}
	return fail(n, fmt.Sprintf("%s is not a text, a number or a name", n), exampleHint)
}

const functionsHint = `there are lower(text) and within(addresses, "10.0.0.0/8")`

// functionName returns the name of a called function.
func functionName(n *ast.CallNode) string {
	if id, ok := n.Callee.(*ast.IdentifierNode); ok {
		return id.Value
	}
	return n.Callee.String()
}

// isMap reports whether a node is labels or vars.
func (k *checker) isMap(n ast.Node) bool {
	id, ok := n.(*ast.IdentifierNode)
	if !ok || !isMapName(id.Value) {
		return false
	}
	k.c.usesVariables = k.c.usesVariables || id.Value == variables
	return true
}

// normalizeNames brings the texts that a fact of names or addresses is compared
// with into the form that the fact has. A text that is no name stays as it is.
func normalizeNames(n *ast.BinaryNode) {
	switch n.Operator {
	case "==", "!=":
		normalizeName(n.Left, n.Right)
		normalizeName(n.Right, n.Left)
	case "contains": // of name it takes a part
		if id, ok := n.Left.(*ast.IdentifierNode); ok && id.Value != "name" {
			normalizeName(n.Left, n.Right)
		}
	case "in":
		normalizeName(n.Right, n.Left)
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, item := range list.Nodes {
				normalizeName(n.Left, item)
			}
		}
	}
}

func normalizeName(fact, value ast.Node) {
	id, ok := fact.(*ast.IdentifierNode)
	text, isText := value.(*ast.StringNode)
	if !ok || !isText || id.Value != "name" && id.Value != "names" && id.Value != "addresses" {
		return
	}
	if name, err := hostname.Normalize(text.Value); err == nil {
		text.Value = name
	}
}

func (k *checker) count(n ast.Node) error {
	if k.nodes++; k.nodes > maxNodes {
		return fail(n, fmt.Sprintf("it has more than %d operands and operators", maxNodes), "")
	}
	return nil
}

func fail(n ast.Node, problem, hint string) error {
	return &Error{Column: column(n), Problem: problem, Hint: hint}
}

// firstError calls the functions until one returns an error.
func firstError(err error, then ...func() error) error {
	for _, f := range then {
		if err != nil {
			return err
		}
		err = f()
	}
	return err
}
