package lineedit

import (
	"bytes"
	"strings"
)

// Placeholders for a newline and a tab in pasted text: the line editor edits a single
// line.
const (
	lineEnd = "␊"
	tabStop = "␉"
)

// Pasted is a text as the line editor shows it; typedText is the way back.
func Pasted(text string) string {
	return strings.NewReplacer("\n", lineEnd, "\t", tabStop).Replace(text)
}

func typedText(line string) string {
	return strings.NewReplacer(lineEnd, "\n", tabStop, "\t").Replace(line)
}

// What a terminal in bracketed-paste mode (xterm, ctlseqs: DECSET 2004) puts
// around what is pasted, and what switches the mode.
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
)

// A pasteFilter makes of a terminal's bytes what the line editor understands:
// what is pasted becomes text of the line, whatever control characters are in it,
// so that nothing is carried out before Enter is typed. It is pure state.
type pasteFilter struct {
	within bool
	held   []byte // may be the beginning of what ends this state
	text   []byte // pasted so far
}

// feed takes bytes in and returns those for the editor.
func (f *pasteFilter) feed(b []byte) (out []byte) {
	b = append(f.held, b...)
	f.held = nil
	for {
		mark := pasteBegin
		if f.within {
			mark = pasteEnd
		}
		before, after, found := bytes.Cut(b, []byte(mark))
		if !found {
			n := len(b) - partial(b, mark)
			f.held = bytes.Clone(b[n:])
			return append(out, f.take(b[:n])...)
		}
		out = append(out, f.take(before)...)
		if f.within {
			out = append(out, f.pasted()...)
		}
		f.within = !f.within
		b = after
	}
}

// flush returns what was held back: nothing has followed it.
func (f *pasteFilter) flush() []byte {
	held := f.held
	f.held = nil
	return f.take(held)
}

func (f *pasteFilter) take(b []byte) []byte {
	if f.within {
		f.text = append(f.text, b...)
		return nil
	}
	return b
}

// pasted returns the pasted text as one line. It drops the final newline: the user types
// Enter.
func (f *pasteFilter) pasted() []byte {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(f.text))
	f.text = nil
	text = strings.TrimRight(text, "\n")
	clean := strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return -1
		}
		return c
	}, text)
	return []byte(Pasted(clean))
}

// partial is how many of the last bytes of b may be the beginning of mark.
func partial(b []byte, mark string) int {
	for n := min(len(b), len(mark)-1); n > 0; n-- {
		if strings.HasPrefix(mark, string(b[len(b)-n:])) {
			return n
		}
	}
	return 0
}
