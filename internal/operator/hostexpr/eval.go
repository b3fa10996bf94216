package hostexpr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/internal/hint"
	"warren/internal/hostname"
)

// Groups looks up a group. It returns the expressions whose union is the group, and home,
// the source of the groups that these expressions name without a source. The source "" is
// the default source; the name "*" is all hosts of the source. Its error names the group.
type Groups func(source, name string) (exprs []string, home string, err error)

// ErrNothing is the cause of the error of an expression without hosts.
var ErrNothing = errors.New("the expression stands for no host")

// workFactor times the limit is how many names may be made on the way, in groups
// within groups.
const workFactor = 16

// Parse returns the hosts that expr names: at least one, or an *Error. It knows
// no groups.
func Parse(expr string, limit int) (*Set, error) { return Evaluate(expr, limit, nil) }

// Expand returns the names of Parse.
func Expand(expr string, limit int) ([]string, error) {
	set, err := Parse(expr, limit)
	if err != nil {
		return nil, err
	}
	return set.Names(), nil
}

// Evaluate returns the hosts of expr: at least one, or an *Error.
// Naming more than limit, repetitions and what is taken away again included, is
// an error that is found before any work is done for them, so that
// web[1-999999999] costs nothing.
func Evaluate(expr string, limit int, groups Groups) (*Set, error) {
	e := &evaluator{groups: groups, limit: uint64(max(limit, 0)), done: map[groupKey]*Set{}}
	set, err := e.evaluate(expr, "")
	if err == nil && set.Len() == 0 {
		err = &Error{Column: 1, Problem: "no host is left: the expression stands for none", Hint: "hosts expand EXPR shows what the parts of an expression stand for", Err: ErrNothing}
	}
	if err != nil {
		return nil, err
	}
	return set, nil
}

type groupKey struct{ source, name string }

func (k groupKey) String() string {
	if k.source == "" {
		return "@" + k.name
	}
	return "@" + k.source + ":" + k.name
}

// An evaluator is one evaluation under way.
type evaluator struct {
	groups Groups
	limit  uint64
	work   uint64 // names made so far
	done   map[groupKey]*Set
	path   []groupKey // of groups within groups
}

// evaluate reads one expression, whose groups without a source are of home.
func (e *evaluator) evaluate(expr, home string) (*Set, error) {
	terms, err := parse(expr)
	if err != nil {
		return nil, err
	}
	named := uint64(0)
	for _, t := range terms { // before anything is made
		if err := e.count(&named, t.size(), t.column); err != nil {
			return nil, err
		}
	}
	set := new(Set)
	for _, t := range terms {
		right, err := e.operand(t, home, &named)
		if err != nil {
			return nil, err
		}
		twice := len(set.twice)
		set.apply(t.operator, right)
		if t.group { // overlapping groups are no mistake of the operator
			set.twice = set.twice[:twice]
		}
	}
	return set, nil
}

// count adds n names to those of an expression. Neither sum can wrap: each size
// is 2^62 at most, and the first that is too large ends it.
func (e *evaluator) count(named *uint64, n uint64, column int) error {
	*named += n
	e.work += n
	if *named > e.limit || e.work > workFactor*e.limit {
		return &Error{
			Column:  column,
			Problem: fmt.Sprintf("more than %d hosts", e.limit),
			Hint:    "look for a digit too many in a range, or name the hosts in several tasks",
		}
	}
	return nil
}

func (e *evaluator) operand(t term, home string, named *uint64) (*Set, error) {
	set := new(Set)
	for text := range t.all() {
		if t.group {
			group, err := e.group(text, home)
			if err != nil {
				return nil, groupError(t.column, err)
			}
			if err := e.count(named, uint64(group.Len()), t.column); err != nil {
				return nil, err
			}
			set.Unite(group)
			continue
		}
		name, err := hostname.Normalize(text)
		if err != nil {
			return nil, nameError(t.column, err)
		}
		set.Add(name)
	}
	return set, nil
}

// nameError is about a host that an expression names.
func nameError(column int, err error) error {
	var name *hostname.Error
	if !errors.As(err, &name) {
		return &Error{Column: column, Problem: err.Error(), Err: err}
	}
	return &Error{Column: column, Problem: name.Problem, Hint: name.Hint, Err: err}
}

// groupError is about a group that an expression names.
func groupError(column int, err error) error {
	return &Error{Column: column, Problem: err.Error(), Hint: hint.First(err), Err: err}
}

// A groupProblem is an error that names its group.
type groupProblem struct{ text, hint string }

func (f groupProblem) Error() string { return f.text }

// ErrorHint implements hint.Hinter.
func (f groupProblem) ErrorHint() string { return f.hint }

// group returns the hosts of a group; each is evaluated once.
func (e *evaluator) group(text, home string) (*Set, error) {
	key := groupKey{home, text}
	if source, name, ok := strings.Cut(text, ":"); ok {
		key = groupKey{source, name}
	}
	if set := e.done[key]; set != nil {
		return set, nil
	}
	if slices.Contains(e.path, key) {
		return nil, groupProblem{fmt.Sprintf("group %s contains itself: %s", key, e.cycle(key)), "take one of them out of its definition"}
	}
	if e.groups == nil {
		return nil, fmt.Errorf("group %s: no groups are known here", key)
	}
	exprs, inner, err := e.groups(key.source, key.name)
	if err != nil {
		return nil, err
	}
	e.path = append(e.path, key)
	set := new(Set)
	for _, expr := range exprs {
		if strings.TrimSpace(expr) == "" {
			continue
		}
		part, err := e.evaluate(expr, inner)
		if err != nil {
			return nil, groupPath(key, expr, err)
		}
		set.Unite(part)
	}
	set.twice = nil // how a group is written is no affair of who names it
	e.path = e.path[:len(e.path)-1]
	e.done[key] = set
	return set, nil
}

func (e *evaluator) cycle(key groupKey) string {
	var names []string
	for _, k := range e.path[slices.Index(e.path, key):] {
		names = append(names, k.String())
	}
	return strings.Join(append(names, key.String()), " → ")
}

// groupPath adds the group to an error, unless the error names a group.
func groupPath(key groupKey, expr string, err error) error {
	var fault groupProblem
	if errors.As(err, &fault) {
		return fault
	}
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if len(expr) > maxQuoted {
		return groupProblem{fmt.Sprintf("group %s: %s", key, e.Problem), e.Hint}
	}
	return groupProblem{fmt.Sprintf("group %s is %q: column %d: %s", key, expr, e.Column, e.Problem), e.Hint}
}

// maxQuoted is how long the expression of a group may be that an error quotes, in bytes.
const maxQuoted = 200
