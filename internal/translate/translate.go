// Package translate translates texts for a person from English, in which the programs
// contain them. A text is its own key: the English format string, as it is in the code,
// without blanks around it. A word with several meanings has a context for each: see WordIn.
//
// Texts are translated where they are printed. A text that was formatted earlier, such as
// the message of a wrapped error or a reason that an agent has sent, is compared with the
// keys; what stands for a verb is translated in the same way.
package translate

import (
	"fmt"
	"io"
	"strings"
)

// A Language translates from English. Nil leaves texts in English.
type Language struct {
	exact  map[string]*entry   // by key
	byWord map[string][]*entry // keys with verbs, by the first word
	others []*entry            // keys with a verb in their first word
}

// Plain is an argument of Sprintf and Fprintf that is never translated, such as the command
// of a task.
type Plain string

// newLanguage makes a Language of keys and translations.
func newLanguage(entries []*entry) *Language {
	l := &Language{exact: make(map[string]*entry, len(entries)), byWord: make(map[string][]*entry)}
	for _, e := range entries {
		l.exact[e.key] = e
		if e.context() != "" {
			continue
		}
		switch first, ok := e.firstWord(); {
		case len(e.format.verbs) == 0 || !e.isDistinct():
		case ok:
			l.byWord[first] = append(l.byWord[first], e)
		default:
			l.others = append(l.others, e)
		}
	}
	return l
}

// Sprintf is fmt.Sprintf with the translation of format. It also translates arguments: the
// messages of errors, and strings that are not quoted, except single words, which may be names.
func (l *Language) Sprintf(format string, args ...any) string {
	if l == nil {
		return fmt.Sprintf(format, args...)
	}
	before, key, after := trim(format)
	var verbs []byte
	if e := l.exact[key]; e != nil {
		verbs, key = e.format.verbs, e.translation
	} else {
		verbs = parseFormat(key).verbs
	}
	translated := make([]any, len(args))
	for i, arg := range args {
		translated[i] = arg
		if i < len(verbs) && (verbs[i] == 's' || verbs[i] == 'v') {
			switch arg := arg.(type) {
			case string:
				translated[i], _ = l.search().phrase(arg)
			case error:
				translated[i], _ = l.search().phrase(arg.Error())
			}
		}
	}
	return around(before, fmt.Sprintf(key, translated...), after)
}

// around adds the blanks that trim has taken off. A full-width bracket needs none before it.
func around(before, text, after string) string {
	if before == " " && strings.HasPrefix(text, "（") {
		before = ""
	}
	return before + text + after
}

// Fprintf writes what Sprintf returns.
func (l *Language) Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return io.WriteString(w, l.Sprintf(format, args...))
}

// Word returns the translation of a key without verbs, or the key.
func (l *Language) Word(english string) string {
	if l == nil {
		return english
	}
	before, key, after := trim(english)
	// In a key that is no format string, % is written as in one.
	for _, key := range [...]string{key, strings.ReplaceAll(key, "%", "%%")} {
		if e := l.exact[key]; e != nil && len(e.format.verbs) == 0 {
			return around(before, strings.ReplaceAll(e.translation, "%%", "%"), after)
		}
	}
	return english
}

// WordIn returns the translation of a word in a context (msgctxt in the table): "ok" is the
// outcome of a job, but a check passes, and an agent is healthy.
func (l *Language) WordIn(context, english string) string {
	if l == nil {
		return english
	}
	if e := l.exact[inContext(context, english)]; e != nil {
		return e.translation
	}
	return l.Word(english)
}

// Text translates a text that was formatted earlier. A single word is translated only if it
// is a key; of a longer text, Text translates what it can.
func (l *Language) Text(english string) string {
	if l == nil {
		return english
	}
	text, _ := l.search().text(english)
	return text
}

// A search translates one text. A host could send a text that takes long, so the search has
// limits.
type search struct {
	*Language
	left int // parts to look at
}

func (l *Language) search() *search { return &search{l, mostParts} }

const (
	mostParts   = 300
	longestText = 8 << 10 // bytes
)

// text returns the translation of a text, and whether it has found one.
func (l *search) text(english string) (string, bool) {
	before, text, after := trim(english)
	if l.left--; text == "" || l.left < 0 || len(text) > longestText {
		return english, false
	}
	if t := l.Word(text); t != text {
		return around(before, t, after), true
	}
	if !strings.Contains(text, " ") {
		return english, false
	}
	for _, try := range [...]func(string) (string, bool){l.matchSentences, l.sentences, l.match} {
		if t, ok := try(text); ok {
			return around(before, t, after), true
		}
	}
	if inner, ok := strings.CutPrefix(text, "("); ok && strings.HasSuffix(inner, ")") {
		if t, ok := l.text(strings.TrimSuffix(inner, ")")); ok {
			return around(before, "（"+t+"）", after), true
		}
	}
	for _, mark := range [...][2]string{{": ", "："}, {"; ", "；"}, {", ", "，"}} {
		if t, ok := l.split(text, mark[0], mark[1]); ok {
			return around(before, t, after), true
		}
	}
	return english, false
}

// whole translates a text that is a key, or was made of one.
func (l *search) whole(text string) (string, bool) {
	if t := l.Word(text); t != text {
		return t, true
	}
	return l.match(text)
}

// sentences translates a text of two parts if it can translate both: a verb at the end of a key
// would take the second part as well.
func (l *search) sentences(text string) (string, bool) {
	left, right, ok := strings.Cut(text, "; ")
	if !ok {
		return text, false
	}
	if left, ok = l.phrase(left); !ok {
		return text, false
	}
	if t, ok := l.whole("; " + right); ok {
		return left + t, true
	}
	right, ok = l.phrase(right)
	return left + "；" + right, ok
}

// split translates the two parts of a text around the first mark, or one of them.
func (l *search) split(text, mark, translated string) (string, bool) {
	left, right, ok := strings.Cut(text, mark)
	if !ok {
		return text, false
	}
	left, okLeft := l.phrase(left)
	if t, ok := l.whole(mark + right); ok {
		return left + t, true
	}
	right, okRight := l.phrase(right)
	if !okLeft && !okRight {
		return text, false
	}
	return left + translated + right, true
}

// phrase is text for a part of a text. A single word, which may be a name, is left alone.
func (l *search) phrase(text string) (string, bool) {
	if !strings.Contains(strings.TrimSpace(text), " ") {
		return text, false
	}
	return l.text(text)
}

// match translates a text that was made of a key: of several, the one with the most letters.
func (l *search) match(text string) (string, bool) {
	return l.matchKeys(text, func(*entry) bool { return true })
}

// matchSentences is match for keys of several sentences.
func (l *search) matchSentences(text string) (string, bool) {
	if !strings.Contains(text, "; ") {
		return text, false
	}
	return l.matchKeys(text, func(e *entry) bool { return strings.Contains(e.key, "; ") })
}

func (l *search) matchKeys(text string, includes func(*entry) bool) (string, bool) {
	first, _, _ := strings.Cut(text, " ")
	var best *entry
	var values []string
	for _, entries := range [...][]*entry{l.byWord[first], l.others} {
		for _, e := range entries {
			if best != nil && e.format.letters <= best.format.letters || !includes(e) {
				continue
			}
			if v, ok := e.format.match(text); ok {
				best, values = e, v
			}
		}
	}
	if best == nil {
		return "", false
	}
	for i, v := range values {
		if verb := best.format.verbs[i]; verb == 's' || verb == 'v' || verb == 'w' {
			values[i], _ = l.phrase(v)
		}
	}
	return best.fill(values), true
}

// trim divides a text into the blanks before it, the text, and the blanks after it.
func trim(text string) (before, inner, after string) {
	inner = strings.TrimLeft(text, " \n\t")
	before = text[:len(text)-len(inner)]
	trimmed := strings.TrimRight(inner, " \n\t")
	return before, trimmed, inner[len(trimmed):]
}
