package translate

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A format is a format string in parts.
type format struct {
	literals []string // one more than verbs; "%%" is "%"
	verbs    []byte   // 's', 'd' …, in order
	indexes  []int    // of the argument of each verb, from 0
	letters  int      // in the literals
}

// parseFormat reads a format string of package fmt. Widths and precisions count as part of
// their verb.
func parseFormat(text string) format {
	var f format
	var literal strings.Builder
	next := 0 // argument
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			literal.WriteByte(text[i])
			continue
		}
		end, index := verbAt(text, i+1)
		switch {
		case end < 0:
			literal.WriteByte('%')
		case text[end] == '%':
			literal.WriteByte('%')
			i = end
		default:
			if index > 0 {
				next = index - 1
			}
			f.literals = append(f.literals, literal.String())
			f.verbs = append(f.verbs, text[end])
			f.indexes = append(f.indexes, next)
			next++
			literal.Reset()
			i = end
		}
	}
	f.literals = append(f.literals, literal.String())
	for _, part := range f.literals {
		f.letters += strings.Count(part, "") - 1
	}
	return f
}

// verbAt returns where the verb is that begins after a %, or -1, and the explicit index of
// its argument, or 0.
func verbAt(text string, i int) (end, index int) {
	for i < len(text) && strings.IndexByte("-+#0123456789.", text[i]) >= 0 {
		i++
	}
	if i < len(text) && text[i] == '[' {
		width := strings.IndexByte(text[i:], ']')
		if width < 0 {
			return -1, 0
		}
		index, _ = strconv.Atoi(text[i+1 : i+width])
		i += width + 1
	}
	if i < len(text) && strings.IndexByte("vTtbcdoOqxXUeEfFgGsw%", text[i]) >= 0 {
		return i, index
	}
	return -1, 0
}

// match reports whether a text can be made of the format, and returns what stands for its
// verbs. A verb takes as little as it can.
func (f *format) match(text string) (values []string, ok bool) {
	rest, ok := strings.CutPrefix(text, f.literals[0])
	if !ok {
		return nil, false
	}
	for i, verb := range f.verbs {
		literal, last := f.literals[i+1], i == len(f.verbs)-1
		n := -1
		switch {
		case verb == 'q':
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, false
			}
			n = len(quoted)
		case last && strings.HasSuffix(rest, literal):
			n = len(rest) - len(literal)
		case !last:
			n = strings.Index(rest, literal)
		}
		if n < 0 || verb == 'd' && !isNumber(rest[:n]) {
			return nil, false
		}
		values = append(values, rest[:n])
		if rest, ok = strings.CutPrefix(rest[n:], literal); !ok || last && rest != "" {
			return nil, false
		}
	}
	return values, true
}

func isNumber(text string) bool {
	_, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return err == nil
}

// An entry is a key with its translation.
type entry struct {
	key, translation string // the key with its context, if it has one: see inContext
	system           bool   // a text of the operating system or of a library
	format           format // of the key
	target           format // of the translation
}

func newEntry(key, translation string) *entry {
	return &entry{key: key, translation: translation, format: parseFormat(key), target: parseFormat(translation)}
}

// inContext returns the key of a text in a context, in the form that gettext uses.
func inContext(context, text string) string { return context + contextEnd + text }

const contextEnd = "\x04"

// context returns the context of the key, or "".
func (e *entry) context() string {
	context, _, ok := strings.Cut(e.key, contextEnd)
	if !ok {
		return ""
	}
	return context
}

// fill returns the translation with values for the verbs of the key.
func (e *entry) fill(values []string) string {
	var b strings.Builder
	for i, literal := range e.target.literals {
		if i == len(e.target.indexes) || e.target.indexes[i] >= len(values) {
			b.WriteString(literal)
			continue
		}
		value := values[e.target.indexes[i]]
		if first, _ := utf8.DecodeRuneInString(value); unicode.Is(unicode.Han, first) { // no blank between two Chinese words
			literal = strings.TrimSuffix(literal, " ")
		}
		b.WriteString(literal)
		b.WriteString(value)
	}
	return b.String()
}

// firstWord returns the first word of the key, unless a verb is in it.
func (e *entry) firstWord() (string, bool) {
	word, _, ok := strings.Cut(e.format.literals[0], " ")
	return word, ok && word != ""
}

// isDistinct reports whether a text that looks like the key was probably made of it: "%s of %s"
// says too little.
func (e *entry) isDistinct() bool {
	letters := 0
	for _, r := range strings.Join(e.format.literals, "") {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return letters >= leastLetters || letters > 0 && e.format.verbs[0] == 'd'
}

const leastLetters = 4

// check returns what is wrong with the verbs of the translation.
func (e *entry) check() error {
	used := map[int]byte{}
	for i, index := range e.target.indexes {
		used[index] = e.target.verbs[i]
	}
	for i, verb := range e.format.verbs {
		if used[i] != verb {
			return fmt.Errorf("verb %d is %%%c in English", i+1, verb)
		}
		delete(used, i)
	}
	if len(used) > 0 {
		return fmt.Errorf("it has verbs that the English text lacks")
	}
	return nil
}
