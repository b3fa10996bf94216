package hostexpr

import (
	"fmt"
	"iter"
)

// A pattern is one word of an expression: fixed text around at most one bracket.
type pattern struct {
	column     int // of its first character in the expression, from 1
	before     string
	ranges     []span // nil: a plain name, all of it in before
	after      string
	hasBracket bool
}

// A span is the numbers first to last, written with width digits at least.
type span struct {
	first, last uint64
	width       int // 0: not padded
}

func (s span) size() uint64 { return s.last - s.first + 1 }

func (p *pattern) size() uint64 {
	if !p.hasBracket {
		return 1
	}
	total := uint64(0)
	for _, s := range p.ranges {
		if total += s.size(); total > maxNumber {
			return maxNumber
		}
	}
	return total
}

// all ranges over the pattern's texts, not yet checked to be names.
func (p *pattern) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !p.hasBracket {
			yield(p.before)
			return
		}
		for _, s := range p.ranges {
			for n := s.first; n <= s.last; n++ {
				if !yield(fmt.Sprintf("%s%0*d%s", p.before, s.width, n, p.after)) {
					return
				}
			}
		}
	}
}
