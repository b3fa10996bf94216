package hostexpr

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const limit = 1000

func TestExpand(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"web01", "web01"},
		{"web01 db1", "web01 db1"},
		{"web01,db1", "web01 db1"},
		{" web01 ,\tdb1\n", "web01 db1"},
		{"192.168.0.23", "192.168.0.23"},
		{"fe80::1:2", "fe80::1:2"},
		{"web[1-3]", "web1 web2 web3"},
		{"web[08-11]", "web08 web09 web10 web11"},
		{"web[01-03,30]", "web01 web02 web03 web30"},
		{"web[98-101]", "web98 web99 web100 web101"},
		{"web[098-101]", "web098 web099 web100 web101"},
		{"web[01-02]-eu.example.com", "web01-eu.example.com web02-eu.example.com"},
		{"[1-2]", "1 2"},
		{"[0-1]x", "0x 1x"},
		{"n[00-01]", "n00 n01"},
		{"2001:0DB8:0:0::10 [2001:db8::11],[FE80::1]", "2001:db8::10 2001:db8::11 fe80::1"},
		{"2001:DB8:0::[9-10]!2001:db8::9", "2001:db8::10"},
		{"[1-2]::", "1:: 2::"},
		{"::ffff:10.0.0.1 10.0.0.1.", "10.0.0.1"},
		{"web[1-2].example.com. WEB1.example.com", "web1.example.com web2.example.com"},
		{"web1.example.com.&web1.example.com", "web1.example.com"},
		{"192.168.0.[1-2]", "192.168.0.1 192.168.0.2"},
		{"WEB01 Db1", "web01 db1"},
		{"web[1-2] web2 WEB1 x", "web1 web2 x"},
		{"b a b", "b a"},
		{"b,a,c!a", "b c"},
		{"c b a&a,b", "a b"},
		{"a!a,b,a", "b a"},
		{"web[1-5/2]", "web1 web3 web5"},
		{"r[1-2]n[01-02]x", "r1n01x r1n02x r2n01x r2n02x"},
	} {
		got, err := Expand(tt.expr, limit)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("Expand(%q) = %q, %v; want %q", tt.expr, got, err, tt.want)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	for _, tt := range []struct {
		expr   string
		column int
		text   string
	}{
		{"", 1, "no host is named"},
		{" \t", 3, "no host is named"},
		{",web01", 1, "missing before the comma"},
		{"web01,,web02", 7, "missing before the comma"},
		{"web01,", 7, "missing after the comma"},
		{"web1 010.1.1.1", 6, "without leading zeros"},
		{"10.0.0.[254-256]", 1, "not a valid IPv4 address"},
		{"[fe80::1%eth0]", 1, "leave the zone out"},
		{"[fe80::1]x", 1, "'['"},
		{"a,ｗｅｂ１", 3, "write 'w'"},
		{"web[", 4, "cut short"},
		{"web[01", 4, "cut short"},
		{"web[01-", 4, "cut short"},
		{"db1 web[01,", 8, "cut short"},
		{"web[]", 5, "a number is missing"},
		{"web[1,,2]", 7, "a number is missing"},
		{"web[-3]", 5, "a number is missing"},
		{"web[1-]", 7, "a number is missing"},
		{"web[20-01]", 5, "runs backwards"},
		{"web[01-5]", 5, "different numbers of digits"},
		{"web[1-05]", 5, "different numbers of digits"},
		{"web[a-b]", 5, `'a' cannot be part`},
		{"web[1 2]", 7, "a comma is missing"},
		{"web[1/2]", 6, "a step needs a range"},
		{"web[1-9/0]", 8, "the step is 0"},
		{"web[1-9/]", 9, "a number is missing"},
		{"web[1-9/x]", 9, "'x' cannot be part"},
		{"web]", 4, `"]" without "["`},
		{"r[1-2][1-2]", 7, "side by side"},
		{"r[1-2]0[1-2]", 8, "side by side"},
		{"a!", 3, `missing after "!"`},
		{"!a", 1, `missing before "!"`},
		{"a & ", 5, `missing after "&"`},
		{"a!!b", 3, `missing before "!"`},
		{"a,^b", 3, `missing before "^"`},
		{"a!a", 1, "no host is left"},
		{"@web", 1, "no groups are known"},
		{"a,@", 3, "a group's name is missing"},
		{"@@web", 1, "is not understood"},
		{"web*", 4, "by a wildcard"},
		{"web?1", 4, "by a wildcard"},
		{"web@1", 4, "begins the name of a group"},
		{"db1 wëb01", 5, `contains 'ë'`},
		{"db1 web$", 5, `contains '$'`},
		{"ü web[", 6, "cut short"},
		{strings.Repeat("a", 201), 1, "the limit is 200"},
		{"db1 web[1-1000]", 5, "more than 1000 hosts"},
		{"web[1-999999999]", 1, "more than 1000 hosts"},
		{"web[1-999999999999999,1-999999999999999]", 1, "more than 1000 hosts"},
		{"web[1-9999999999999999]", 7, "more than 15 digits"},
		{"r[1-100]c[1-100]n[1-100]", 1, "more than 1000 hosts"},
		{strings.Repeat("a[1-999999999999999]", 20), 1, "more than 1000 hosts"},
		{"web[1-9]!web[1-999999999]", 10, "more than 1000 hosts"},
		{"@" + strings.Repeat("a[0-99]", 20), 1, "more than 1000 hosts"},
	} {
		_, err := Expand(tt.expr, limit)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Expand(%q): %v, not an *Error", tt.expr, err)
			continue
		}
		if e.Column != tt.column || !strings.Contains(e.Problem+"; "+e.Hint, tt.text) {
			t.Errorf("Expand(%q): column %d: %s\nwant column %d: …%s…", tt.expr, e.Column, e.Problem, tt.column, tt.text)
		}
	}
}

func TestExpandLimitIsExact(t *testing.T) {
	if _, err := Expand("web[1-1000]", limit); err != nil {
		t.Error(err)
	}
	if _, err := Expand("a", -1); err == nil {
		t.Error("a negative limit permits a host")
	}
}

func TestTextOfAWordIsNotCopiedForEachCharacter(t *testing.T) {
	word := strings.Repeat("aé", 5000)
	if allocs := testing.AllocsPerRun(1, func() { _, _ = parse(word) }); allocs > 100 {
		t.Errorf("%.0f allocations", allocs)
	}
	terms, err := parse(word)
	if err != nil || len(terms) != 1 || string(terms[0].parts[0].text) != word {
		t.Error("the word is not the same", err)
	}
}

func TestRepeated(t *testing.T) {
	set, err := Parse("web[1-3] db1 web2 DB1 web2 x", limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Repeated(); !slices.Equal(got, []string{"web2", "db1"}) {
		t.Errorf("Repeated() = %q", got)
	}
	if got := set.Names(); len(got) != 5 {
		t.Errorf("Names() = %q", got)
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"", ""},
		{"web01", "web01"},
		{"web02 web01", "web[01-02]"},
		{"web01 web03", "web[01,03]"},
		{"web10 web09 web08", "web[08-10]"},
		{"web9 web10 web8", "web[8-10]"},
		{"web1 web01", "web[1,01]"},
		{"n0 n00 n01 n1", "n[0-1,00-01]"},
		{"r1n1 r1n2 r2n1 r2n2", "r[1-2]n[1-2]"},
		{"web99 web100", "web[99-100]"},
		{"web01.dc1 web02.dc1 web03.dc1", "web[01-03].dc1"},
		{"10.0.0.1 10.0.0.2 10.0.0.9", "10.0.0.[1-2,9]"},
		{"db web2 web1 alpha", "alpha,db,web[1-2]"},
		{"web2x web10x web10y", "web[2,10]x,web10y"},
		{"a a a", "a"},
		{"n99999999999999999998 n99999999999999999999", "n99999999999999999998,n99999999999999999999"},
	} {
		if got := Fold(strings.Fields(tt.names)); got != tt.want {
			t.Errorf("Fold(%q) = %q, want %q", tt.names, got, tt.want)
		}
	}
}

func TestFoldKeepsItsArgument(t *testing.T) {
	names := []string{"b2", "b1", "b1"}
	Fold(names)
	if !slices.Equal(names, []string{"b2", "b1", "b1"}) {
		t.Error(names)
	}
}

func TestExpandReversesFold(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-c]{0,2}[0-9]{1,3}([.-][ab]?[0-9]{0,2}){0,2}`),
		rapid.StringMatching(`[1-9][0-9]?::[1-9]?|10\.0\.[1-9]\.[1-9][0-9]?`),
	).Filter(func(name string) bool { return !strings.HasSuffix(name, ".") })
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(name, 1, 40).Draw(t, "names")
		expr := Fold(names)
		got, err := Expand(expr, limit)
		if err != nil {
			t.Fatalf("Fold gave %q: %v", expr, err)
		}
		slices.Sort(names)
		names = slices.Compact(names)
		slices.Sort(got)
		if !slices.Equal(got, names) {
			t.Fatalf("%q folded to %q, expands to %q", names, expr, got)
		}
		for range 3 {
			names = rapid.Permutation(names).Draw(t, "order")
			if again := Fold(names); again != expr {
				t.Fatalf("another order folds to %q, not %q", again, expr)
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"web[01-20,30] db1", "a,,b", "[", "x[1-", "[0-0]]", "\xff[1]", "n[1-5/2]", "É", "a[1-9]b[1-9]!a2b2&a[1-3]b3^a", "@a[1-2]:x,@*", "[::1] 2001:0DB8::[1-9] 10.0.0.[1-3]."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		names, err := Expand(expr, limit)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(expr)+1 || e.Problem == "" {
				t.Fatalf("%q: %#v", expr, err)
			}
			return
		}
		if len(names) == 0 || len(names) > limit {
			t.Fatalf("%q: %d names", expr, len(names))
		}
		again, err := Expand(Fold(names), limit)
		slices.Sort(names)
		slices.Sort(again)
		if err != nil || !slices.Equal(names, again) {
			t.Fatalf("%q: %q folded and expanded: %q, %v", expr, names, again, err)
		}
	})
}
