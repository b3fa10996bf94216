package hostexpr

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDigits bounds a number in a range, so that sums of sizes fit 64 bits.
const maxDigits = 15

// maxNumber is larger than every size that a caller may permit.
const maxNumber = 1_000_000_000_000_000

// What the rest of nodeset's language begins with. None of it can be part of a
// host name, so refusing it by name costs nothing.
var reserved = map[rune]string{
	'!': "difference", '&': "intersection", '^': "symmetric difference",
	'@': "a group", '*': "a wildcard", '?': "a wildcard",
}

const exampleHint = `write names, addresses and ranges, as in "web[01-20,30] db1 192.168.0.23"`

// A parser reads an expression from left to right; pos is the next character.
type parser struct {
	text []rune
	pos  int
}

// parse returns the expression's patterns, at least one.
func parse(expr string) ([]pattern, error) {
	p := &parser{text: []rune(expr)}
	var patterns []pattern
	named := true // nothing is missing before the next comma
	for i := 0; ; i++ {
		p.blanks()
		c, more := p.peek()
		switch {
		case !more && len(patterns) == 0:
			return nil, p.fail(p.pos, "no host is named", exampleHint)
		case !more && !named:
			return nil, p.fail(p.pos, "a host is missing after the comma", "take the comma away or name one more host")
		case !more:
			return patterns, nil
		case c == ',' && (!named || len(patterns) == 0):
			return nil, p.fail(p.pos, "a host is missing before the comma", "one comma, or just a blank, stands between two hosts")
		case c == ',':
			p.pos++
			named = false
			continue
		}
		word, err := p.word()
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, word)
		named = true
	}
}

// word reads one pattern, up to a blank or a comma.
func (p *parser) word() (pattern, error) {
	w := pattern{column: p.pos + 1}
	var text strings.Builder
	for {
		c, more := p.peek()
		switch {
		case !more || isBlank(c) || c == ',':
			if w.hasBracket {
				w.after = text.String()
			} else {
				w.before = text.String()
			}
			return w, nil
		case c == '[' && w.hasBracket:
			return w, p.fail(p.pos, "a second range in one name", "one [ ] is understood in each name: write the other out, with a blank between the names")
		case c == '[':
			w.hasBracket, w.before = true, text.String()
			text.Reset()
			ranges, err := p.bracket()
			if err != nil {
				return w, err
			}
			w.ranges = ranges
			continue
		case c == ']':
			return w, p.fail(p.pos, `"]" without "["`, exampleHint)
		case reserved[c] != "":
			return w, p.fail(p.pos, fmt.Sprintf("%q (%s) is not understood", c, reserved[c]), exampleHint)
		}
		text.WriteRune(c)
		p.pos++
	}
}

// bracket reads "[01-20,30]".
func (p *parser) bracket() ([]span, error) {
	open := p.pos
	var spans []span
	for {
		p.pos++ // past "[" or ","
		s, err := p.span(open)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s)
		c, more := p.peek()
		switch {
		case !more:
			return nil, p.cut(open)
		case c == ']':
			p.pos++
			return spans, nil
		case c != ',':
			return nil, p.unexpected(c)
		}
	}
}

// span reads "01-20" or "30".
func (p *parser) span(open int) (span, error) {
	start := p.pos
	first, err := p.number(open)
	if err != nil {
		return span{}, err
	}
	last := first
	if c, more := p.peek(); more && c == '-' {
		p.pos++
		if last, err = p.number(open); err != nil {
			return span{}, err
		}
	}
	s := span{first: value(first), last: value(last)}
	if isPadded(first) {
		s.width = len(first)
	}
	switch {
	case s.last < s.first:
		return s, p.fail(start, fmt.Sprintf("the range %s-%s runs backwards", first, last), fmt.Sprintf("write [%s-%s]", last, first))
	case isPadded(last) && len(last) != len(first), isPadded(first) && len(last) < len(first):
		return s, p.fail(start, fmt.Sprintf("the ends of range %s-%s have different numbers of digits", first, last), "pad both with the same zeros, as in [01-20]")
	}
	return s, nil
}

func (p *parser) number(open int) (string, error) {
	start := p.pos
	for p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9' {
		p.pos++
	}
	digits := string(p.text[start:p.pos])
	switch c, more := p.peek(); {
	case len(digits) > maxDigits:
		return "", p.fail(start, fmt.Sprintf("the number %s… has more than %d digits", digits[:maxDigits], maxDigits), "")
	case digits != "":
		return digits, nil
	case !more:
		return "", p.cut(open)
	case c == ']' || c == ',' || c == '-':
		return "", p.fail(start, "a number is missing in the range", "write it as in [01-20,30]")
	default:
		return "", p.unexpected(c)
	}
}

func (p *parser) cut(open int) error {
	return p.fail(open, `the expression is cut short: "[" without "]"`, "write it as in web[01-20,30]")
}

func (p *parser) unexpected(c rune) error {
	if c == '/' {
		return p.fail(p.pos, `"/" (a step) is not understood`, "write the numbers out, as in [01,03,05]")
	}
	return p.fail(p.pos, fmt.Sprintf("%q cannot be part of a range", c), "write it as in [01-20,30]")
}

func (p *parser) fail(pos int, problem, hint string) error {
	return &Error{Column: pos + 1, Problem: problem, Hint: hint}
}

func (p *parser) blanks() {
	for p.pos < len(p.text) && isBlank(p.text[p.pos]) {
		p.pos++
	}
}

func (p *parser) peek() (rune, bool) {
	if p.pos >= len(p.text) {
		return 0, false
	}
	return p.text[p.pos], true
}

func isBlank(c rune) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isPadded reports whether zeros were written that the number does not need.
func isPadded(digits string) bool { return len(digits) > 1 && digits[0] == '0' }

// value is the number that at most maxDigits digits write.
func value(digits string) uint64 {
	n, _ := strconv.ParseUint(digits, 10, 64) // cannot fail: digits only, and few
	return n
}
