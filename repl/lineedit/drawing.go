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
// follows what the editor prints in its mode for several rows. There each change erases row
// by row, prints the prompt and the line, and moves the cursor from their end to its place:
// first to the first column of a new row if the last one is full, then up, then to its
// column. So the rows that the editor has erased do not matter. A drawing is pure state.
type drawing struct {
	text    []rune
	up      int  // rows from the last one to the cursor
	column  int  // of the cursor; negative: at the end of the text
	newline bool // there is an empty row below the text
	begun   bool // a change has begun: the next character begins the text again
	moves   int  // to a column, which the change still has to make
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
func (d *drawing) whole() bool { return !d.begun && d.moves == 0 }

// take takes one character or control sequence; 0 waits for the rest of it.
func (d *drawing) take(b []byte) int {
	switch b[0] {
	case '\r':
		d.moveTo(0)
		return 1
	case '\n':
		if d.moves > 0 {
			d.newline, d.moves = true, 2
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
	if d.begun {
		*d = drawing{moves: 1, cleared: d.cleared}
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
		d.up += n
	case 'B', 'K':
		d.begun = true
	case 'C':
		d.column += n
	case 'G':
		d.moveTo(n - 1)
	case 'J':
		d.cleared = true
	}
	return len(found[0])
}

func (d *drawing) moveTo(column int) {
	if d.moves == 0 {
		d.begun = true
		return
	}
	d.column = column
	d.moves--
}

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
