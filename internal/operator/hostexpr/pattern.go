package hostexpr

import (
	"iter"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// maxSize is larger than every size that a caller may permit.
const maxSize = 1 << 62

// A pattern is one word of an expression: text and ranges in turn, without the
// "@" of a group.
type pattern struct {
	column int // of its first character in the expression, from 1
	parts  []part
}

// A part is text, or, where there are spans, a range.
type part struct {
	text  []byte
	spans []span
}

// A span is the numbers first, first+step … last, written with width digits at
// least.
type span struct {
	first, last, step uint64
	width             int // 0: not padded
}

func (s span) size() uint64 { return (s.last-s.first)/s.step + 1 }

func (p *pattern) addText(c rune) {
	if n := len(p.parts); n > 0 && p.parts[n-1].spans == nil {
		p.parts[n-1].text = utf8.AppendRune(p.parts[n-1].text, c)
		return
	}
	p.parts = append(p.parts, part{text: utf8.AppendRune(nil, c)})
}

// endsInBracket reports whether nothing but digits follows the last range.
func (p *pattern) endsInBracket() bool {
	for i := len(p.parts) - 1; i >= 0; i-- {
		if p.parts[i].spans != nil {
			return true
		}
		if text := string(p.parts[i].text); digits(text) != text {
			return false
		}
	}
	return false
}

// size returns the number of texts that the pattern expands to, or tooMany.
func (p *pattern) size() uint64 {
	size := uint64(1)
	for _, part := range p.parts {
		if part.spans == nil {
			continue
		}
		n := uint64(0)
		for _, s := range part.spans { // each below 10^15, so few of them cannot wrap
			if n += s.size(); n >= maxSize {
				return maxSize
			}
		}
		high, low := bits.Mul64(size, n)
		if high > 0 || low >= maxSize {
			return maxSize
		}
		size = low
	}
	return size
}

// all ranges over the pattern's texts, not yet checked to be names; the last
// range runs fastest.
func (p *pattern) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		p.from(0, nil, yield)
	}
}

func (p *pattern) from(i int, head []byte, yield func(string) bool) bool {
	if i == len(p.parts) {
		return yield(string(head))
	}
	if p.parts[i].spans == nil {
		return p.from(i+1, append(head, p.parts[i].text...), yield)
	}
	for _, s := range p.parts[i].spans {
		for k := range s.size() {
			if !p.from(i+1, appendNumber(head, s.first+k*s.step, s.width), yield) {
				return false
			}
		}
	}
	return true
}

// appendNumber writes n with width digits at least.
func appendNumber(to []byte, n uint64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(text) {
		to = append(to, '0')
	}
	return append(to, text...)
}

// digits is the part of s before its first other character.
func digits(s string) string {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i]
}
