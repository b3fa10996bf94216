//go:build unix

package lineedit

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// A drawing is what the line editor shows: the prompt with the line, and the cursor. It
// follows what the editor prints in its mode for several rows. There each change erases all
// rows, prints the prompt and the line, and moves the cursor from their end to its place. So
// an erasure begins the text again, and the rows that the editor has counted do not matter.
// A drawing is pure state.
type drawing struct {
	text    []rune
	up      int  // rows from the last one to the cursor
	column  int  // of the cursor; negative: at the end of the text
	newline bool // the text ends at the right margin, and the editor has opened one more row
	erased  bool // the next character begins the text again
	partial bool // the cursor is not at its place yet
	ended   bool // the cursor has left the line
	cleared bool // the editor has cleared the screen
	held    []byte
}

func newDrawing() *drawing { return &drawing{column: -1} }

// write takes what the editor has printed, in pieces of any size.
func (d *drawing) write(b []byte) {
	b = append(d.held, b...)
	d.held = nil
	for len(b) > 0 {
		n := d.take(b)
		if n == 0 {
			d.held = bytes.Clone(b)
			return
		}
		b = b[n:]
	}
}

// whole reports whether the editor has finished the change that it draws.
func (d *drawing) whole() bool { return !d.erased && !d.partial }

// take takes one character or control sequence; 0 waits for the rest of it.
func (d *drawing) take(b []byte) int {
	switch b[0] {
	case '\r':
		d.moveTo(0)
		return 1
	case '\n':
		if d.partial {
			d.newline = true
		} else {
			d.ended = true
		}
		return 1
	case '\x1b':
		return d.sequence(b)
	}
	if !utf8.FullRune(b) {
		return 0
	}
	c, size := utf8.DecodeRune(b)
	if d.erased {
		*d = drawing{partial: true, cleared: d.cleared}
	}
	d.text, d.column = append(d.text, c), -1
	return size
}

var editorSequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Z])`)

func (d *drawing) sequence(b []byte) int {
	found := editorSequence.FindSubmatch(b)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(found[1]))
	switch found[2][0] {
	case 'A':
		if !d.erased {
			d.up += n
		}
	case 'C':
		d.column += n
	case 'G':
		d.moveTo(n - 1)
	case 'J':
		d.cleared = true
	case 'K':
		d.erased = true
	}
	return len(found[0])
}

func (d *drawing) moveTo(column int) { d.column, d.partial = column, false }

// cursor returns the index of the character at the cursor, on a terminal of so many columns.
func (d *drawing) cursor(columns int) int {
	if d.column < 0 || columns < 1 {
		return len(d.text)
	}
	rows := (editorColumns(d.text, columns, func(int) bool { return true }) + columns - 1) / columns
	if d.newline {
		rows++
	}
	at, index := (rows-1-d.up)*columns+d.column, 0
	editorColumns(d.text, columns, func(n int) bool {
		if n <= at {
			index++
		}
		return n <= at
	})
	return index
}

// editorColumns counts the columns of a text as the editor does, until more returns false for
// those up to a character.
func editorColumns(text []rune, columns int, more func(n int) bool) int {
	n := 0
	for _, c := range text {
		width := 1
		if c >= 127 {
			width = runewidth.RuneWidth(c)
		}
		if width == 2 && n%columns == columns-1 {
			n++ // a wide character does not fit there
		}
		if n += width; !more(n) {
			break
		}
	}
	return n
}
