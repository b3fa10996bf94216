package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kballard/go-shellquote"

	"warren/internal/hint"
)

// maxHosts bounds the hosts of an INI file: web[1:999999999] is a line.
const maxHosts = 1 << 20

// header is a section: [web], [prod:children] or [prod:vars].
var header = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]$`)

// IsINI reports whether a text is an inventory in Ansible's INI form, and not a list of host
// expressions: some line has a section, a variable, or a range such as [01:10].
func IsINI(text string) bool {
	for line := range strings.Lines(text) {
		line = withoutComment(strings.TrimSpace(line))
		switch {
		case line == "" || line[0] == ';':
		case line[0] == '[' && header.MatchString(line) && !numbers.MatchString(line):
			return true
		case variable.MatchString(line), colonRange.MatchString(line):
			return true
		}
	}
	return false
}

var (
	numbers    = regexp.MustCompile(`^\[[0-9,/ -]+\]$`)
	variable   = regexp.MustCompile(`\s[A-Za-z_]\w*=`)
	colonRange = regexp.MustCompile(`\[([0-9]*:[0-9]+|[A-Za-z]:[A-Za-z])(:[0-9]+)?\]`)
)

// An Error is a mistake in an INI file.
type Error struct {
	Line       int
	Text, Hint string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Hosts returns the names of the agents of all hosts of a file in Ansible's INI form, in the
// order of the file. Its error is an *Error.
func Hosts(text string) ([]string, error) {
	r := iniReader{defined: map[string]bool{allGroup: true, "ungrouped": true}, byName: map[string]*iniHost{}}
	for line := range strings.Lines(text) {
		r.line++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if err := r.read(line); err != nil {
			return nil, err
		}
	}
	for _, child := range r.children {
		if !r.defined[child.name] {
			return nil, &Error{Line: child.line, Text: fmt.Sprintf("group %q is not defined in this file", child.name)}
		}
	}
	names := make([]string, len(r.hosts))
	for i, h := range r.hosts {
		var err error
		if names[i], err = h.AgentName(); err != nil {
			return nil, &Error{Line: h.line, Text: err.Error(), Hint: hint.First(err)}
		}
	}
	return names, nil
}

type iniReader struct {
	line     int
	kind     string // of the section: "" and "hosts" have hosts
	defined  map[string]bool
	children []child
	hosts    []*iniHost
	byName   map[string]*iniHost
}

type child struct {
	name string
	line int
}

type iniHost struct {
	Host
	line int // of its first mention
}

const sectionHint = "write [GROUP], [GROUP:children] or [GROUP:vars]"

func (r *iniReader) read(line string) error {
	if line[0] == '[' {
		if m := header.FindStringSubmatch(withoutComment(line)); m != nil {
			r.kind = m[2]
			switch r.kind {
			case "", "hosts", "children":
				r.defined[m[1]] = true
			case "vars":
			default:
				return &Error{r.line, fmt.Sprintf("a section [%s:%s] is not known", m[1], m[2]), sectionHint}
			}
			return nil
		}
	}
	text := withoutComment(line)
	switch {
	case r.kind == "", r.kind == "hosts":
		return r.host(line)
	case text[0] == '[' && strings.HasSuffix(text, "]"):
		return &Error{r.line, fmt.Sprintf("%q is not a section", text), sectionHint}
	case r.kind == "children":
		r.children = append(r.children, child{text, r.line})
	case !strings.Contains(text, "="):
		return &Error{r.line, fmt.Sprintf("%q is not a variable", text), "a section [GROUP:vars] has one variable on each line, as KEY=VALUE; hosts follow a line [GROUP]"}
	}
	return nil
}

// host reads a line such as  web[01:10] ansible_host=10.0.0.1.
func (r *iniReader) host(line string) error {
	words, err := shellquote.Split(withoutComment(line))
	if err != nil || len(words) == 0 {
		return &Error{Line: r.line, Text: fmt.Sprintf("%q cannot be split into words: %v", line, err)}
	}
	vars := map[string]any{}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return &Error{r.line, fmt.Sprintf("%q is not a variable", word), "an inventory in INI form has one host or range on each line, with variables as KEY=VALUE after it"}
		}
		vars[key] = strings.Trim(value, `'"`)
	}
	names, err := expandRanges(withoutPort(words[0]), maxHosts-len(r.hosts))
	if err != nil {
		return &Error{Line: r.line, Text: err.Error(), Hint: hint.First(err)}
	}
	for _, name := range names {
		h := r.byName[name]
		if h == nil {
			h = &iniHost{Host: Host{Name: name, Vars: map[string]any{}}, line: r.line}
			r.byName[name] = h
			r.hosts = append(r.hosts, h)
		}
		for key, value := range vars {
			h.Vars[key] = value
		}
	}
	return nil
}

// withoutComment cuts a line at the first # outside quotes.
func withoutComment(line string) string {
	quote := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return strings.TrimSpace(line[:i])
		}
	}
	return line
}

var port = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|[^:\[\]]*(?:\[[^\]]*\][^:\[\]]*)*):([0-9]+)$`)

// withoutPort cuts the port of ssh off a name.
func withoutPort(name string) string {
	if m := port.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return name
}

var span = regexp.MustCompile(`^(.*?)\[([0-9]*|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\](.*)$`)

const rangeHint = "write it as in web[01:10], web[a:f] or web[1:9:2]"

// expandRanges returns the names of a word with ranges such as web[01:10] or [a:f].
func expandRanges(word string, most int) ([]string, error) {
	m := span.FindStringSubmatch(word)
	if m == nil {
		return []string{word}, nil
	}
	words, err := spanWords(m[2], m[3], m[4], most)
	if err != nil {
		return nil, err
	}
	tails, err := expandRanges(m[5], most)
	if err != nil {
		return nil, err
	}
	if len(words)*len(tails) > most {
		return nil, tooManyHosts()
	}
	var names []string
	for _, w := range words {
		for _, tail := range tails {
			names = append(names, m[1]+w+tail)
		}
	}
	return names, nil
}

func tooManyHosts() error { return fmt.Errorf("more than %d hosts", maxHosts) }

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// maxDigits bounds a number in a range, so that no sum overflows.
const maxDigits = 15

// spanWords returns what a range counts: numbers with leading zeros, or letters.
func spanWords(first, last, step string, most int) ([]string, error) {
	if max(len(first), len(last), len(step)) > maxDigits {
		return nil, fmt.Errorf("a number in a range has more than %d digits", maxDigits)
	}
	by, text := 1, fmt.Sprintf("[%s:%s]", first, last)
	if step != "" {
		by, _ = strconv.Atoi(step)
	}
	from, to := strings.Index(letters, first), strings.Index(letters, last)
	isLetters := first != "" && from >= 0 && to >= 0
	if !isLetters {
		var err1, err2 error
		from, err1 = strconv.Atoi("0" + first)
		to, err2 = strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			return nil, hint.New(fmt.Sprintf("the range %s is not one of numbers or letters", text), rangeHint)
		}
	}
	width := 0
	if len(first) > 1 && first[0] == '0' {
		width = len(first)
	}
	switch {
	case by < 1:
		return nil, hint.New(fmt.Sprintf("the step of the range %s is not a positive number", text), rangeHint)
	case from > to:
		return nil, hint.New(fmt.Sprintf("the range %s runs backwards", text), rangeHint)
	case width > 0 && len(first) != len(last):
		return nil, hint.New(fmt.Sprintf("the ends of the range %s have different numbers of digits", text), rangeHint)
	case (to-from)/by >= most:
		return nil, tooManyHosts()
	}
	var words []string
	for n := from; n <= to; n += by {
		if isLetters {
			words = append(words, letters[n:n+1])
		} else {
			words = append(words, fmt.Sprintf("%0*d", width, n))
		}
	}
	return words, nil
}
