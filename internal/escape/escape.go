// Package escape finds the characters that a terminal would obey, hide or
// misrepresent, and writes them as escapes. Terminal output, JSON and logs all use it.
// Letters of all scripts are unaffected.
package escape

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// IsHidden reports whether a terminal would obey, hide or misrepresent r: control
// characters (C0, DEL, C1), line and paragraph separators, and format characters,
// including bidirectional overrides (https://trojansource.codes). It permits
// zero-width joiners, which Persian and Indian scripts need and which are harmless.
func IsHidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r != nonJoiner && r != joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Rune returns a readable escape of a character: \n, \x1b, \u202e.
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

// JSON returns the same JSON with each hidden character in strings and member names as
// a \u… escape. It keeps the line ends between values. It returns text itself if
// there is nothing to escape.
func JSON(text []byte) []byte {
	return each(text, func(out []byte, r rune) []byte {
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
		return fmt.Appendf(out, `\u%04x`, r)
	})
}

// Lines returns the text with each hidden character except line ends and tabs as a
// readable escape.
func Lines(text []byte) []byte {
	return each(text, func(out []byte, r rune) []byte { return append(out, Rune(r)...) })
}

// each calls write for the hidden characters of text except line ends and tabs, which
// JSON has only between values.
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

// JSONWriter returns a writer that escapes like JSON. Each write must be whole JSON
// values, as in a log.
func JSONWriter(w io.Writer) io.Writer { return &writer{w, JSON} }

// LineWriter returns a writer that escapes like Lines. Each write must be whole
// characters.
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
