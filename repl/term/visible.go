package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"warren/internal/escape"
)

// Text returns b for several lines of a terminal: newlines and tabs are kept, a
// carriage return before a newline is dropped, every other control character is
// written as an escape ("\x1b", "\r", "\u202e"), and so is every byte that is
// not UTF-8, and every combining mark above the limit of marks for one character, so
// that none extends over neighboring lines. A backslash stays unchanged: the result is
// for people, not for decoding.
func Text(b []byte) string { return show(b, true) }

// Line is Text for one line: newlines, tabs and carriage returns are written as
// escapes too.
func Line(s string) string { return show([]byte(s), false) }

func show(b []byte, lines bool) string {
	var out strings.Builder
	out.Grow(len(b))
	marks := 0 // of the character before
	for len(b) > 0 {
		if n := plain(b); n > 0 { // most of all text
			marks = 0
			out.Write(b[:n])
			b = b[n:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		case lines && (r == '\n' || r == '\t'):
			out.WriteRune(r)
		case lines && r == '\r' && len(b) > 1 && b[1] == '\n':
			// The end of a line as Windows writes it.
		case escape.IsHidden(r), marks > mostMarks:
			out.WriteString(escape.Rune(r))
		default:
			out.Write(b[:size])
		}
		b = b[size:]
	}
	return out.String()
}

// mostMarks is how many combining marks may follow a character
// (https://unicode.org/reports/tr15/#Stream_Safe_Text_Format).
const mostMarks = 30

// plain is the length of the printable ASCII that b begins with.
func plain(b []byte) int {
	for i, c := range b {
		if c < ' ' || c > '~' {
			return i
		}
	}
	return len(b)
}

// EscapeLines is Line for each of lines.
func EscapeLines(lines []string) []string {
	var all []string
	for _, line := range lines {
		all = append(all, Line(line))
	}
	return all
}
