package hostexpr

import (
	"fmt"
	"slices"

	"warren/internal/wire"
)

// A Set is a number of different host names, in the order in which they were
// first named.
type Set struct {
	names []string
	seen  map[string]int // how often each was named
}

// Names returns the names, lower case, each once. The caller may keep it.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Repeated returns the names that were named more than once.
func (s *Set) Repeated() []string {
	var twice []string
	for _, name := range s.names {
		if s.seen[name] > 1 {
			twice = append(twice, name)
		}
	}
	return twice
}

func (s *Set) add(name string) {
	if s.seen == nil {
		s.seen = make(map[string]int)
	}
	if s.seen[name]++; s.seen[name] == 1 {
		s.names = append(s.names, name)
	}
}

// Parse returns the hosts that expr names: at least one, or an *Error. Naming
// more than limit, repetitions included, is an error found before any work is
// done for them, so that web[1-999999999] costs nothing.
func Parse(expr string, limit int) (*Set, error) {
	patterns, err := parse(expr)
	if err != nil {
		return nil, err
	}
	if err := bound(patterns, limit); err != nil {
		return nil, err
	}
	set := new(Set)
	for _, p := range patterns {
		for text := range p.all() {
			name, err := wire.CheckHostName(text)
			if err != nil {
				return nil, &Error{Column: p.column, Problem: err.Error()}
			}
			set.add(name)
		}
	}
	return set, nil
}

// Expand returns the names of Parse.
func Expand(expr string, limit int) ([]string, error) {
	set, err := Parse(expr, limit)
	if err != nil {
		return nil, err
	}
	return set.names, nil
}

func bound(patterns []pattern, limit int) error {
	total := uint64(0)
	for _, p := range patterns {
		// Neither can wrap: numbers have maxDigits digits at most, and the first
		// pattern that is too large ends the sum.
		if total += p.size(); total > uint64(max(limit, 0)) {
			return &Error{
				Column:  p.column,
				Problem: fmt.Sprintf("more than %d hosts", limit),
				Hint:    "look for a digit too many in a range, or name the hosts in several tasks",
			}
		}
	}
	return nil
}
