// Package escape knows which characters a terminal would obey, or show as nothing
// or as something else, and writes them as escapes. It is the one place that
// decides: what is shown on a terminal, JSON and logs all ask it. Letters of every
// script are none of these characters. The package keeps nothing and starts nothing.
package escape

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// IsHidden reports whether a terminal would obey r, or show nothing or something
// else for it: control characters (C0, DEL, C1), line and paragraph separators,
// and format characters, bidirectional overrides among them
// (https://trojansource.codes). Zero-width joiners spell words in Persian and
// Indian scripts and do no harm.
func IsHidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r != nonJoiner && r != joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Rune writes a character as an escape for people: \n, \x1b, \u202e.
func Rune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// JSON returns the same JSON with each hidden character as an escape \u…, within
// texts and names of members. Line ends between values stay. The result is text
// itself where there is nothing to escape.
func JSON(text []byte) []byte {
	return each(text, func(out []byte, r rune) []byte {
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
		return fmt.Appendf(out, `\u%04x`, r)
	})
}

// Lines returns the same text with each hidden character but line ends and tabs as
// an escape for people.
func Lines(text []byte) []byte {
	return each(text, func(out []byte, r rune) []byte { return append(out, Rune(r)...) })
}

// each calls write for the hidden characters of text but line ends and tabs, which
// in JSON stand between values only.
func each(text []byte, write func(out []byte, r rune) []byte) []byte {
	i := bytes.IndexFunc(text, isEscaped)
	if i < 0 {
		return text
	}
	out := append(make([]byte, 0, len(text)+64), text[:i]...)
	for rest := text[i:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if isEscaped(r) {
			out = write(out, r)
		} else {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	return out
}

func isEscaped(r rune) bool { return IsHidden(r) && r != '\n' && r != '\t' }

// JSONWriter returns a writer of whole JSON values, such as a log's, that escapes
// as JSON does.
func JSONWriter(w io.Writer) io.Writer { return &writer{w, JSON} }

// LineWriter returns a writer of whole characters that escapes as Lines does.
func LineWriter(w io.Writer) io.Writer { return &writer{w, Lines} }

type writer struct {
	w      io.Writer
	escape func([]byte) []byte
}

func (w *writer) Write(text []byte) (int, error) {
	if _, err := w.w.Write(w.escape(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
