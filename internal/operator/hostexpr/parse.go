package hostexpr

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxDigits bounds a number in a range, so that sums of sizes fit 64 bits.
const maxDigits = 15

const exampleHint = `write names, addresses and ranges, as in "web[01-20,30] db1 192.168.0.23"`

// A term is an operand and the operator that combines it with the hosts to its left.
type term struct {
	operator rune // , ! & ^
	group    bool // the pattern's texts are names of groups
	pattern
}

// A parser reads an expression from left to right; pos is the next character.
type parser struct {
	text []rune
	pos  int
}

// parse returns the expression's terms, at least one. There is no precedence:
// each operator applies to the result of everything to its left.
func parse(expr string) ([]term, error) {
	p := &parser{text: []rune(expr)}
	var terms []term
	var operator rune // that waits for its right operand
	for {
		p.skipBlanks()
		c, more := p.peek()
		switch {
		case !more && len(terms) == 0 && operator == 0:
			return nil, p.fail(p.pos, "no host is named", exampleHint)
		case !more && operator != 0:
			return nil, p.fail(p.pos, "a host is missing after "+operatorName(operator), "take it away or name one more host")
		case !more:
			return terms, nil
		case isOperator(c) && (operator != 0 || len(terms) == 0):
			return nil, p.fail(p.pos, "a host is missing before "+operatorName(c), operatorHint(c))
		case isOperator(c):
			operator = c
			p.pos++
			continue
		}
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		if t.operator = ','; operator != 0 {
			t.operator = operator
		}
		terms = append(terms, t)
		operator = 0
	}
}

func isOperator(c rune) bool { return c == ',' || c == '!' || c == '&' || c == '^' }

func operatorName(operator rune) string {
	if operator == ',' {
		return "the comma"
	}
	return strconv.Quote(string(operator))
}

func operatorHint(c rune) string {
	if c == ',' {
		return "one comma, or just a blank, stands between two hosts"
	}
	return fmt.Sprintf("%q stands between two hosts or ranges, as in web[1-9]%cweb3", c, c)
}

// term reads one operand, up to a blank or an operator.
func (p *parser) term() (t term, err error) {
	t.column = p.pos + 1
	if c, _ := p.peek(); c == '@' {
		t.group = true
		p.pos++
	}
	for {
		c, more := p.peek()
		switch {
		case !more || isBlank(c) || isOperator(c):
			if t.group {
				return t, p.checkGroup(&t)
			}
			return t, nil
		case c == '[' && !t.group && len(t.parts) == 0 && p.address(&t):
			continue
		case c == '[':
			if t.endsInBracket() {
				return t, p.fail(p.pos, "two ranges side by side", "something other than digits must stand between two ranges of a name, as in r[1-4]n[01-32]")
			}
			spans, err := p.bracket()
			if err != nil {
				return t, err
			}
			t.parts = append(t.parts, part{spans: spans})
			continue
		case c == ']':
			return t, p.fail(p.pos, `"]" without "["`, exampleHint)
		case !t.group && (c == '*' || c == '?'):
			return t, p.fail(p.pos, fmt.Sprintf("%q is not part of a host name: no host is chosen by a wildcard", c), "ranges (web[01-20]) and groups (@web) name many hosts at once; --all targets every known host")
		case !t.group && c == '@':
			return t, p.fail(p.pos, `"@" begins the name of a group, and cannot stand within a host name`, "put a comma or a blank before it")
		}
		t.addText(c)
		p.pos++
	}
}

// address reads an IPv6 address in brackets, as URLs have it.
func (p *parser) address(t *term) bool {
	length := slices.Index(p.text[p.pos:], ']') + 1
	text := string(p.text[p.pos : p.pos+length])
	inner, _, _ := strings.Cut(strings.Trim(text, "[]"), "%")
	if a, err := netip.ParseAddr(inner); err != nil || !a.Is6() {
		return false // it is a range
	}
	t.parts = append(t.parts, part{text: []byte(text)})
	p.pos += length
	return true
}

// checkGroup looks at the name of a group.
func (p *parser) checkGroup(t *term) error {
	if len(t.parts) == 0 {
		return p.fail(t.column-1, `a group's name is missing after "@"`, "write it as in @web or @racks:r1")
	}
	first := t.parts[0]
	if first.spans == nil && bytes.HasPrefix(first.text, []byte("@")) {
		return p.fail(t.column-1, `"@@" (names of groups instead of hosts) is not understood`, "write @* or @SOURCE:* for the hosts of all groups")
	}
	return nil
}

// bracket reads "[01-20/2,30]".
func (p *parser) bracket() ([]span, error) {
	open := p.pos
	var spans []span
	for {
		p.pos++ // past "[" or ","
		s, err := p.spanAt(open)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s)
		c, more := p.peek()
		switch {
		case !more:
			return nil, p.unclosed(open)
		case c == ']':
			p.pos++
			return spans, nil
		case c != ',':
			return nil, p.unexpected(c)
		}
	}
}

// spanAt reads "01-20", "1-9/2" or "30", with optional blanks.
func (p *parser) spanAt(open int) (span, error) {
	p.skipBlanks()
	start := p.pos
	first, err := p.number(open)
	if err != nil {
		return span{}, err
	}
	last, step := first, "1"
	isRange := p.skip('-')
	if isRange {
		if last, err = p.number(open); err != nil {
			return span{}, err
		}
	}
	stepAt := p.pos
	if p.skip('/') {
		if step, err = p.number(open); err != nil {
			return span{}, err
		}
		if !isRange {
			return span{}, p.fail(stepAt, "a step needs a range", "write it as in [1-9/2]")
		}
	}
	s := span{first: value(first), last: value(last), step: value(step)}
	if isPadded(first) || isPadded(last) {
		s.width = len(first)
	}
	switch {
	case s.step == 0:
		return s, p.fail(stepAt, "the step is 0", "write it as in [1-9/2]")
	case s.width > 0 && len(first) != len(last):
		return s, p.fail(start, fmt.Sprintf("the ends of range %s-%s have different numbers of digits", first, last), "pad both with zeros to the same length, as in [01-20] or [001-100]")
	case s.last < s.first:
		return s, p.fail(start, fmt.Sprintf("the range %s-%s runs backwards", first, last), fmt.Sprintf("write [%s-%s]", last, first))
	}
	return s, nil
}

// number reads digits and the blanks around them.
func (p *parser) number(open int) (string, error) {
	p.skipBlanks()
	start := p.pos
	for p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9' {
		p.pos++
	}
	digits := string(p.text[start:p.pos])
	c, more := p.peek()
	switch {
	case len(digits) > maxDigits:
		return "", p.fail(start, fmt.Sprintf("the number %s… has more than %d digits", digits[:maxDigits], maxDigits), "")
	case digits != "":
		p.skipBlanks()
		if c, _ := p.peek(); '0' <= c && c <= '9' {
			return "", p.fail(p.pos, "a comma is missing between two numbers", "write it as in [01-20,30]")
		}
		return digits, nil
	case !more:
		return "", p.unclosed(open)
	case c == ']' || c == ',' || c == '-' || c == '/':
		return "", p.fail(start, "a number is missing in the range", "write it as in [01-20,30]")
	default:
		return "", p.unexpected(c)
	}
}

// skip passes over c, if that is next.
func (p *parser) skip(c rune) bool {
	next, more := p.peek()
	if !more || next != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) unclosed(open int) error {
	return p.fail(open, `the expression is cut short: "[" without "]"`, "write it as in web[01-20,30]")
}

func (p *parser) unexpected(c rune) error {
	return p.fail(p.pos, fmt.Sprintf("%q cannot be part of a range", c), "write it as in [01-20,30]")
}

func (p *parser) fail(pos int, problem, hint string) error {
	return &Error{Column: pos + 1, Problem: problem, Hint: hint}
}

func (p *parser) skipBlanks() {
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
