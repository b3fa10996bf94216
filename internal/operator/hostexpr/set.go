package hostexpr

import "slices"

// A Set is a number of different host names, in the order in which they were
// first named.
type Set struct {
	slots []string       // "" where a name was taken out
	at    map[string]int // slot of each name
	twice []string       // named again while in the set
}

// Names returns the names in their normal form, each once. The caller may keep it.
func (s *Set) Names() []string {
	names := make([]string, 0, len(s.at))
	for _, name := range s.slots {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Len is the number of names.
func (s *Set) Len() int { return len(s.at) }

// Has reports whether the name, in its normal form, is in the set.
func (s *Set) Has(name string) bool {
	_, ok := s.at[name]
	return ok
}

// Repeated returns the names that were named more than once.
func (s *Set) Repeated() []string {
	again := make(map[string]bool, len(s.twice))
	for _, name := range s.twice {
		again[name] = true
	}
	return slices.DeleteFunc(s.Names(), func(name string) bool { return !again[name] })
}

// Add puts a name into the set.
func (s *Set) Add(name string) {
	if s.at == nil {
		s.at = make(map[string]int)
	}
	if _, ok := s.at[name]; ok {
		s.twice = append(s.twice, name)
		return
	}
	s.at[name] = len(s.slots)
	s.slots = append(s.slots, name)
}

func (s *Set) remove(name string) bool {
	i, ok := s.at[name]
	if ok {
		s.slots[i] = ""
		delete(s.at, name)
	}
	return ok
}

// apply does to the set what the operator and its right operand say. It takes
// the time of the operand, and, for an intersection, of what it takes away.
func (s *Set) apply(operator rune, right *Set) {
	switch operator {
	case ',':
		s.Unite(right)
	case '!':
		for _, name := range right.Names() {
			s.remove(name)
		}
	case '^':
		for _, name := range right.Names() {
			if !s.remove(name) {
				s.Add(name)
			}
		}
	case '&':
		var both Set
		for _, name := range s.Names() {
			if right.Has(name) {
				both.Add(name)
			}
		}
		both.twice = s.twice
		*s = both
	}
}

// Subtract takes the names of other out of the set.
func (s *Set) Subtract(other *Set) { s.apply('!', other) }

// Unite puts the names of other into the set.
func (s *Set) Unite(other *Set) {
	for _, name := range other.Names() {
		s.Add(name)
	}
	s.twice = append(s.twice, other.twice...)
}
