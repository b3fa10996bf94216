package hostexpr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/internal/hint"
)

// some are groups of one source.
func some(members map[string]string) Groups {
	return func(source, name string) ([]string, string, error) {
		if expr, ok := members[name]; ok && source == "" {
			return []string{expr}, "", nil
		}
		return nil, "", hint.Errorf("a hint", "no group is called %q", name)
	}
}

func TestGroupErrors(t *testing.T) {
	groups := some(map[string]string{
		"web": "web[1-3]", "cut": "web[1-", "typo": "x,@wbe", "deep": "@typo", "char": "a$",
		"self": "@self", "a": "x,@b", "b": "@c", "c": "@a", "d": "@a", "none": "", "blank": " ", "big": "n[1-600],m[1-600]",
	})
	for _, tt := range []struct {
		expr   string
		column int
		text   string
	}{
		{"x,@nosuch", 3, `no group is called "nosuch"`},
		{"@other:web", 1, `no group is called "web"`},
		{"x @cut", 3, `group @cut is "web[1-": column 4: the expression is cut short`},
		{"@typo", 1, `group @typo is "x,@wbe": column 3: no group is called "wbe"`},
		{"@deep", 1, `group @typo is "x,@wbe": column 3: no group is called "wbe"`},
		{"@char", 1, `group @char is "a$": column 1: host name "a$" contains '$'`},
		{"@self", 1, "group @self contains itself: @self → @self"},
		{"@d", 1, "group @a contains itself: @a → @b → @c → @a"},
		{"@none", 1, "no host is left"},
		{"@none,@blank", 1, "no host is left"},
		{"@big", 1, `group @big is "n[1-600],m[1-600]": column 10: more than 1000 hosts`},
	} {
		_, err := Evaluate(tt.expr, limit, groups)
		e, ok := err.(*Error)
		if !ok || e.Column != tt.column || !strings.HasPrefix(e.Problem, tt.text) {
			t.Errorf("%q: %v\nwant column %d: %s…", tt.expr, err, tt.column, tt.text)
		}
	}
	if set, err := Evaluate("@none,a,@blank", limit, groups); err != nil || set.Len() != 1 {
		t.Error(set, err)
	}
}

// TestGroupsWithinGroupsAreBounded: 60 groups, each of which names the one below
// it often, cost no more than each once.
func TestGroupsWithinGroupsAreBounded(t *testing.T) {
	asked := 0
	tower := func(_, name string) ([]string, string, error) {
		asked++
		var n int
		if _, err := fmt.Sscanf(name, "g%d", &n); err != nil || n == 0 {
			return []string{"x"}, "", nil
		}
		below := fmt.Sprintf("@g%d", n-1)
		return []string{strings.Repeat(below+",", 9) + below}, "", nil
	}
	set, err := Evaluate("@g60", limit, tower)
	if err != nil || set.Len() != 1 || asked != 61 {
		t.Errorf("%v, %v; asked for %d groups", set, err, asked)
	}
	wide := func(_, name string) ([]string, string, error) {
		if name == "all" {
			return []string{"@p[1-999]"}, "", nil
		}
		return []string{"n[1-900]"}, "", nil
	}
	if _, err := Evaluate("@all", limit, wide); err == nil || !strings.Contains(err.Error(), "more than 1000 hosts") {
		t.Error(err)
	}
}

func TestRepeatedThroughOperators(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"a,a", "a"},
		{"a,a!a,a", "a"},
		{"a,b!a,a", ""},
		{"a,a!a,b", ""},
		{"a,a&a,b", "a"},
		{"web[1,1-2]", "web1"},
		{"@g,a", "a"},
		{"a,@g", ""},
	} {
		set, err := Evaluate(tt.expr, limit, some(map[string]string{"g": "a,a"}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(set.Repeated(), " "); got != tt.want {
			t.Errorf("%q repeats %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// TestOperators holds expressions against sets of names that are combined by
// hand, from left to right.
func TestOperators(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		operand := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 6)
		var expr strings.Builder
		in := map[int]bool{}
		for i := range rapid.IntRange(1, 6).Draw(t, "operands") {
			operator := byte(',')
			if i > 0 {
				operator = rapid.SampledFrom([]byte(",!&^ ")).Draw(t, "operator")
				expr.WriteByte(operator)
			}
			numbers := operand.Draw(t, "numbers")
			fmt.Fprintf(&expr, "n[%s]", strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]"))
			for n := range 10 {
				named := slices.Contains(numbers, n)
				switch operator {
				case '!':
					in[n] = in[n] && !named
				case '&':
					in[n] = in[n] && named
				case '^':
					in[n] = in[n] != named
				default:
					in[n] = in[n] || named
				}
			}
		}
		var want []string
		for n := range 10 {
			if in[n] {
				want = append(want, fmt.Sprintf("n%d", n))
			}
		}
		set, err := Parse(expr.String(), limit)
		if len(want) == 0 {
			if err == nil {
				t.Fatalf("%q is %q, want nothing", expr.String(), set.Names())
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got := set.Names()
		slices.Sort(got)
		if !slices.Equal(got, want) || set.Len() != len(want) {
			t.Fatalf("%q is %q, want %q", expr.String(), got, want)
		}
	})
}

// TestDimensions: the size that is found before the work is the size that comes.
func TestDimensions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var expr strings.Builder
		size := 1
		for d := range rapid.IntRange(1, 3).Draw(t, "dimensions") {
			first, n, step := rapid.IntRange(0, 120).Draw(t, "first"), rapid.IntRange(1, 9).Draw(t, "n"), rapid.IntRange(1, 3).Draw(t, "step")
			fmt.Fprintf(&expr, "%c[%03d-%03d/%d]", 'a'+d, first, first+(n-1)*step, step)
			size *= n
		}
		names, err := Expand(expr.String(), size)
		if err != nil || len(names) != size {
			t.Fatalf("%q: %d names, %v; want %d", expr.String(), len(names), err, size)
		}
		if size == 1 {
			return
		}
		if _, err := Expand(expr.String(), size-1); err == nil {
			t.Fatalf("%q passes a limit of %d", expr.String(), size-1)
		}
		slices.Reverse(names)
		if got, err := Expand(Fold(names), size); err != nil || len(got) != size {
			t.Fatalf("%q folds to %q", expr.String(), Fold(names))
		}
	})
}
