// Package ini reads files in the format of Python's configparser, in which ClusterShell's
// groups.conf is written (https://docs.python.org/3/library/configparser.html): sections,
// "key: value" or "key = value", values that continue on indented lines, and comments on
// lines of their own.
package ini

import (
	"fmt"
	"strings"
)

// defaultSection is the name of the section whose values all sections have.
const defaultSection = "DEFAULT"

// A Section is a section with its values.
type Section struct {
	Name string
	Line int // of its header

	values   map[string]Value
	defaults map[string]Value
}

// A Value is a text and where it begins.
type Value struct {
	Text string
	Line int
}

// An Error is a mistake in a file.
type Error struct {
	Line    int
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// Get returns the value of a key, as it is written.
func (s *Section) Get(key string) (Value, bool) {
	if v, ok := s.values[key]; ok {
		return v, true
	}
	v, ok := s.defaults[key]
	return v, ok
}

// maxDepth bounds values that refer to values.
const maxDepth = 10

// Interpolated is Get, with %(key)s replaced by the value of that key and %% by %.
func (s *Section) Interpolated(key string) (Value, bool, error) {
	v, ok := s.Get(key)
	if !ok {
		return v, false, nil
	}
	text, err := s.interpolate(v, maxDepth)
	return Value{text, v.Line}, true, err
}

func (s *Section) interpolate(v Value, depth int) (string, error) {
	var out strings.Builder
	rest := v.Text
	for {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if text, ok := strings.CutPrefix(after, "%"); ok {
			out.WriteByte('%')
			rest = text
			continue
		}
		name, tail, closed := strings.Cut(after, ")s")
		name, opened := strings.CutPrefix(name, "(")
		inner, known := s.Get(strings.ToLower(name))
		switch {
		case !opened || !closed:
			return "", &Error{v.Line, `"%" must be followed by "%" or "(": write %% for a percent sign`}
		case !known:
			return "", &Error{v.Line, fmt.Sprintf("%%(%s)s names no value of section [%s]", name, s.Name)}
		case depth == 0:
			return "", &Error{v.Line, fmt.Sprintf("%%(%s)s refers to itself", name)}
		}
		text, err := s.interpolate(inner, depth-1)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		rest = tail
	}
}

// Parse returns the sections in the order of the file. Its error is an *Error.
func Parse(text string) ([]*Section, error) {
	p := parser{byName: map[string]*Section{}, defaults: map[string]Value{}}
	for line := range strings.Lines(text) {
		p.line++
		if err := p.read(strings.TrimRight(line, "\r\n")); err != nil {
			return nil, err
		}
	}
	p.endValue()
	return p.sections, nil
}

type parser struct {
	line     int
	sections []*Section
	byName   map[string]*Section
	defaults map[string]Value

	values map[string]Value // of the section under way; nil before the first
	key    string           // whose value may continue; "" is none
	value  Value
	indent int // of the line of the key
}

func (p *parser) read(line string) error {
	text := strings.TrimSpace(line)
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case text == "":
		if p.key != "" {
			p.value.Text += "\n"
		}
		return nil
	case text[0] == '#' || text[0] == ';':
		return nil
	case p.key != "" && indent > p.indent:
		p.value.Text += "\n" + text
		return nil
	}
	p.endValue()
	p.indent = indent
	if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
		return p.header(text[1:end])
	}
	at := strings.IndexAny(text, ":=")
	switch {
	case p.values == nil:
		return &Error{p.line, fmt.Sprintf("%q is before the first [section]", text)}
	case at <= 0:
		return &Error{p.line, fmt.Sprintf("%q is neither [section] nor key: value", text)}
	}
	p.key = strings.ToLower(strings.TrimSpace(text[:at]))
	if _, twice := p.values[p.key]; twice {
		return &Error{p.line, fmt.Sprintf("%q is set twice in the section", p.key)}
	}
	p.value = Value{Text: strings.TrimSpace(text[at+1:]), Line: p.line}
	return nil
}

func (p *parser) header(name string) error {
	if name == defaultSection {
		p.values = p.defaults
		return nil
	}
	if p.byName[name] != nil {
		return &Error{p.line, fmt.Sprintf("section [%s] is defined twice", name)}
	}
	s := &Section{Name: name, Line: p.line, values: map[string]Value{}, defaults: p.defaults}
	p.byName[name], p.values = s, s.values
	p.sections = append(p.sections, s)
	return nil
}

// endValue stores the value under way, without empty lines at its end.
func (p *parser) endValue() {
	if p.key != "" {
		p.value.Text = strings.TrimRight(p.value.Text, " \t\n")
		p.values[p.key] = p.value
	}
	p.key = ""
}
