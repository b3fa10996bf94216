package hostexpr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fold returns a short expression for the names, whatever their order: names
// that differ in one number only share a range. Expand gives the same names
// back. Repeated names count once; no name gives "".
func Fold(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)

	groups := make(map[frame][]string) // the numbers of each frame
	var words []string
	for i, r := range chooseRuns(names) {
		if r.end == r.start {
			words = append(words, names[i])
			continue
		}
		key := frame{names[i][:r.start], names[i][r.end:]}
		groups[key] = append(groups[key], names[i][r.start:r.end])
	}
	for key, numbers := range groups {
		words = append(words, key.fold(numbers))
	}
	slices.SortFunc(words, natural)
	return strings.Join(words, ",")
}

// A frame is what stands around a number in a name.
type frame struct{ before, after string }

// A run is where a number stands in a name; empty where the name has none.
type run struct{ start, end int }

// chooseRuns chooses for each name the number to fold: the one whose frame most
// names share, of equal ones the last. So web01.dc1 and web02.dc1 fold by the
// first number, 10.0.0.1 and 10.0.0.2 by the last.
func chooseRuns(names []string) []run {
	shared := make(map[frame]int)
	for _, name := range names {
		for _, r := range numbers(name) {
			shared[frame{name[:r.start], name[r.end:]}]++
		}
	}
	chosen := make([]run, len(names))
	for i, name := range names {
		most := 0
		for _, r := range numbers(name) {
			if n := shared[frame{name[:r.start], name[r.end:]}]; n >= most {
				most, chosen[i] = n, r
			}
		}
	}
	return chosen
}

// numbers returns the runs of digits in name that a range can hold.
func numbers(name string) []run {
	var runs []run
	for i := 0; i < len(name); i++ {
		if name[i] < '0' || name[i] > '9' {
			continue
		}
		start := i
		for i < len(name) && '0' <= name[i] && name[i] <= '9' {
			i++
		}
		if i-start <= maxDigits {
			runs = append(runs, run{start, i})
		}
	}
	return runs
}

func (f frame) fold(numbers []string) string {
	if len(numbers) == 1 {
		return f.before + numbers[0] + f.after
	}
	return f.before + "[" + spans(numbers) + "]" + f.after
}

// spans writes different numbers as "01-20,30".
func spans(numbers []string) string {
	all := make([]span, len(numbers))
	padded := make(map[int]bool) // the widths in which a padded number occurs
	for _, n := range numbers {
		padded[len(n)] = padded[len(n)] || isPadded(n)
	}
	for i, n := range numbers {
		all[i] = span{first: value(n), last: value(n)}
		if padded[len(n)] {
			all[i].width = len(n)
		}
	}
	slices.SortFunc(all, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.first, b.first))
	})
	merged := all[:1]
	for _, s := range all[1:] {
		if end := &merged[len(merged)-1]; s.width == end.width && s.first == end.last+1 {
			end.last = s.last
		} else {
			merged = append(merged, s)
		}
	}
	words := make([]string, len(merged))
	for i, s := range merged {
		words[i] = s.String()
	}
	return strings.Join(words, ",")
}

func (s span) String() string {
	if s.first == s.last {
		return fmt.Sprintf("%0*d", s.width, s.first)
	}
	return fmt.Sprintf("%0*d-%0*d", s.width, s.first, s.width, s.last)
}

// natural orders words as people do: web2 before web10.
func natural(a, b string) int {
	for i, j := 0, 0; ; {
		if i == len(a) || j == len(b) {
			return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), cmp.Compare(a, b))
		}
		na, nb := digits(a[i:]), digits(b[j:])
		if na == "" || nb == "" {
			if a[i] != b[j] {
				return cmp.Compare(a[i], b[j])
			}
			i, j = i+1, j+1
			continue
		}
		x, y := strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
		i, j = i+len(na), j+len(nb)
	}
}

func digits(s string) string {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i]
}
