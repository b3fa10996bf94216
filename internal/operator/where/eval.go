package where

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"warren/internal/hint"
	"warren/internal/wire"
)

// An evaluator decides one condition for one host. Values are nil (unknown),
// string, float64, bool and []string.
type evaluator struct {
	c    *Condition
	host *wire.Hello
}

func (e *evaluator) value(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode:
		return float64(n.Value), nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.IdentifierNode:
		return lookup(e.host, n.Value), nil
	case *ast.MemberNode:
		return e.member(n.Node, n.Property.(*ast.StringNode).Value)
	case *ast.UnaryNode:
		return e.unary(n)
	case *ast.BinaryNode:
		return e.binary(n)
	case *ast.BuiltinNode: // lower
		v, err := e.value(n.Arguments[0])
		if s, ok := v.(string); ok {
			return strings.ToLower(s), err
		}
		return v, err
	case *ast.CallNode: // within
		v, err := e.value(n.Arguments[0])
		network := e.c.networks[n.Arguments[1]]
		return anyOf(v, func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err == nil && network.Contains(a)
		}), err
	}
	panic(fmt.Sprintf("%T has passed the check", n))
}

func (e *evaluator) unary(n *ast.UnaryNode) (any, error) {
	v, err := e.value(n.Node)
	if err != nil {
		return nil, err
	}
	if n.Operator == "not" || n.Operator == "!" {
		return v != true, nil
	}
	x, known, err := number(n.Node, v)
	if err != nil || !known {
		return nil, err
	}
	if n.Operator == "-" {
		x = -x
	}
	return x, nil
}

func (e *evaluator) binary(n *ast.BinaryNode) (any, error) {
	left, err := e.value(n.Left)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "and", "&&":
		if left != true {
			return false, nil
		}
		return e.value(n.Right)
	case "or", "||":
		if left == true {
			return true, nil
		}
		return e.value(n.Right)
	case "??":
		if left != nil {
			return left, nil
		}
		return e.value(n.Right)
	case "matches":
		return anyOf(left, e.c.patterns[n.Right].MatchString), nil
	case "in":
		return e.in(n, left)
	}
	right, err := e.value(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "==":
		return equal(n, left, right)
	case "!=":
		same, err := equal(n, left, right)
		return !same, err
	case "<", "<=", ">", ">=":
		return ordered(n, left, right)
	case "contains", "startsWith", "endsWith":
		return parts(n, left, right)
	}
	return calculate(n, left, right)
}

// member returns labels["name"] or vars["name"].
func (e *evaluator) member(of ast.Node, name string) (any, error) {
	if of.(*ast.IdentifierNode).Value == labels {
		return label(e.host, name), nil
	}
	if e.c.Variables == nil {
		return nil, nil
	}
	switch v := e.c.Variables(e.host)[name].(type) {
	case nil, string, float64, bool, []string:
		return v, nil
	default:
		return nil, fmt.Errorf("vars[%q] is neither text, nor a number, nor a list of them", name)
	}
}

// in decides whether a value is in a list, or is the name of a label or variable.
func (e *evaluator) in(n *ast.BinaryNode, left any) (bool, error) {
	if id, ok := n.Right.(*ast.IdentifierNode); ok && isMapName(id.Value) {
		name, ok := left.(string)
		if !ok {
			return false, nil
		}
		v, err := e.member(id, name)
		return v != nil, err
	}
	if list, ok := n.Right.(*ast.ArrayNode); ok {
		for _, item := range list.Nodes {
			v, err := e.value(item)
			if err != nil {
				return false, err
			}
			if same, err := same(n.Left, left, item, v); same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	right, err := e.value(n.Right)
	if err != nil || right == nil || left == nil {
		return false, err
	}
	words, ok := right.([]string)
	if !ok {
		return false, fmt.Errorf("%s is %s, which is no list", n.Right, show(right))
	}
	word, ok := left.(string)
	return ok && slices.Contains(words, word), nil
}

// equal compares; a side that is written as nil asks whether the other is known.
func equal(n *ast.BinaryNode, left, right any) (bool, error) {
	_, l := n.Left.(*ast.NilNode)
	_, r := n.Right.(*ast.NilNode)
	if l || r {
		return left == nil && right == nil, nil
	}
	return same(n.Left, left, n.Right, right)
}

// same reports whether two values are known and equal. It compares a text with a number as
// a number.
func same(left ast.Node, x any, right ast.Node, y any) (bool, error) {
	switch a := x.(type) {
	case nil:
		return false, nil
	case bool:
		if b, ok := y.(bool); ok || y == nil {
			return ok && a == b, nil
		}
		return false, notBoolean(left)
	case []string:
		return false, hint.Errorf(fmt.Sprintf("write it as in: \"x\" in %s", left), "%s is a list", left)
	case string:
		if b, ok := y.(string); ok {
			return a == b, nil
		}
	}
	switch y.(type) {
	case nil:
		return false, nil
	case bool:
		return false, notBoolean(right)
	case []string:
		return false, hint.Errorf(fmt.Sprintf("write it as in: \"x\" in %s", right),
			"%s is a list", right)
	}
	a, _, err := number(left, x)
	if err != nil {
		return false, err
	}
	b, _, err := number(right, y)
	return a == b && err == nil, err
}

// notBoolean is the error of a comparison of a boolean with anything else. To find it unequal
// would choose hosts that were not meant.
func notBoolean(node ast.Node) error {
	return hint.Errorf(fmt.Sprintf("write %s == true", node), "%s is true or false", node)
}

// ordered compares numbers by value, and texts as versions are compared.
func ordered(n *ast.BinaryNode, left, right any) (bool, error) {
	if left == nil || right == nil {
		return false, nil
	}
	order := 0
	a, text := left.(string)
	b, both := right.(string)
	if text && both {
		order = natural(a, b)
	} else {
		x, _, err := number(n.Left, left)
		if err != nil {
			return false, err
		}
		y, _, err := number(n.Right, right)
		if err != nil {
			return false, err
		}
		switch {
		case x < y:
			order = -1
		case x > y:
			order = 1
		}
	}
	switch n.Operator {
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">":
		return order > 0, nil
	default:
		return order >= 0, nil
	}
}

// parts decides contains, startsWith and endsWith, of a list for any of its texts.
func parts(n *ast.BinaryNode, left, right any) (bool, error) {
	if right == nil {
		return false, nil
	}
	part, ok := right.(string)
	if !ok {
		return false, fmt.Errorf("%s is %s, which is no text", n.Right, show(right))
	}
	if _, isList := left.([]string); isList && n.Operator == "contains" {
		return anyOf(left, func(s string) bool { return s == part }), nil
	}
	test := map[string]func(string, string) bool{
		"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix,
	}[n.Operator]
	return anyOf(left, func(s string) bool { return test(s, part) }), nil
}

// anyOf reports whether a test holds for a text, or for any of a list.
func anyOf(v any, test func(string) bool) bool {
	switch v := v.(type) {
	case string:
		return test(v)
	case []string:
		return slices.ContainsFunc(v, test)
	}
	return false
}

// calculate is unknown where an operand is.
func calculate(n *ast.BinaryNode, left, right any) (any, error) {
	x, knownX, err := number(n.Left, left)
	if err != nil {
		return nil, err
	}
	y, knownY, err := number(n.Right, right)
	if err != nil || !knownX || !knownY {
		return nil, err
	}
	switch n.Operator {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	}
	if y == 0 {
		return nil, fmt.Errorf("%s is 0, and nothing can be divided by it", n.Right)
	}
	if n.Operator == "%" {
		return math.Mod(x, y), nil
	}
	return x / y, nil
}

// number is the number that a value is, or that its text reads as.
func number(n ast.Node, v any) (x float64, known bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case float64:
		return v, true, nil
	case string:
		if x, err := strconv.ParseFloat(v, 64); err == nil {
			return x, true, nil
		}
	}
	return 0, false, fmt.Errorf("%s is %s, which is no number", n, show(v))
}

func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		return "a list"
	default:
		return fmt.Sprint(v)
	}
}
