//go:build unix

package lineedit

import (
	"fmt"
	"slices"
	"strings"

	"warren/repl/term"
)

// A picture is a text that a terminal shows over as many rows as it takes, and its cursor.
// Terminals wrap the text, also again when they become narrower or wider.
type picture struct {
	text    []rune
	cursor  int // index of a character; len(text) is the end
	columns int // of the terminal when it was drawn
}

// newPicture shows of a text what fits a screen: the rows around the cursor.
func newPicture(text []rune, cursor, columns, height int) picture {
	p := picture{text, cursor, columns}
	starts := rowStarts(text, columns)
	rows := len(starts)
	row, _ := p.place(columns)
	if row == rows {
		rows++ // the cursor is below a full row
	}
	if height < 1 || rows <= height {
		return p
	}
	first := min(row, rows-height)
	end := len(text)
	if first+height < len(starts) {
		end = starts[first+height]
	}
	return picture{text[starts[first]:end], cursor - starts[first], columns}
}

// rowStarts returns the index of the first character of each row.
func rowStarts(text []rune, columns int) []int {
	starts, used := []int{0}, 0
	for i, c := range text {
		width := term.Width(string(c))
		if columns > 0 && used+width > columns {
			starts, used = append(starts, i), 0
		}
		used += width
	}
	return starts
}

// place returns where the cursor is on a terminal of so many columns.
func (p picture) place(columns int) (row, column int) {
	starts := rowStarts(p.text, columns)
	for row = len(starts) - 1; starts[row] > p.cursor; row-- {
	}
	column = term.Width(string(p.text[starts[row]:p.cursor]))
	if p.below() {
		return row + 1, 0
	}
	return row, column
}

// below reports whether the cursor is in a row of its own, below a full one.
func (p picture) below() bool {
	if p.columns < 1 || p.cursor < len(p.text) {
		return false
	}
	starts := rowStarts(p.text, p.columns)
	return term.Width(string(p.text[starts[len(starts)-1]:])) == p.columns
}

// erase takes the picture off a terminal that has so many columns now.
func (p picture) erase(columns int) string {
	row, _ := p.place(columns)
	return up(row) + "\r\x1b[J"
}

// draw draws the picture from the first column on.
func (p picture) draw() string { return string(p.text) + p.placeCursor() }

// change draws p where the terminal shows old. If the text has only grown at its end, or only
// the cursor has moved, it draws no more than that: except below a full row, whose end would
// be a newline, at which a terminal does not wrap the text again.
func (p picture) change(old picture, columns int) string {
	grown := p.columns == old.columns && len(p.text) >= len(old.text) && slices.Equal(p.text[:len(old.text)], old.text)
	switch {
	case grown && len(p.text) == len(old.text) && p.cursor == old.cursor:
		return ""
	case grown && len(p.text) == len(old.text) && !p.below():
		row, _ := old.place(columns)
		return p.moveCursor(row)
	case grown && !old.below() && old.cursor == len(old.text) && p.cursor == len(p.text):
		return string(p.text[len(old.text):]) + p.placeCursor()
	}
	return old.erase(columns) + p.draw()
}

// placeCursor moves the cursor from the end of the text to its place.
func (p picture) placeCursor() string {
	if p.below() {
		return "\r\n"
	}
	if p.cursor == len(p.text) {
		return ""
	}
	return p.moveCursor(len(rowStarts(p.text, p.columns)) - 1)
}

// moveCursor moves the cursor from a row of the picture to its place.
func (p picture) moveCursor(from int) string {
	row, column := p.place(p.columns)
	move := up(from-row) + "\r"
	if row > from {
		move = fmt.Sprintf("\x1b[%dB\r", row-from)
	}
	if column > 0 {
		move += fmt.Sprintf("\x1b[%dC", column)
	}
	return move
}

// end moves the cursor below the picture.
func (p picture) end(columns int) string {
	if p.below() {
		return ""
	}
	row, _ := p.place(columns)
	return strings.Repeat("\n", len(rowStarts(p.text, columns))-1-row) + "\r\n"
}

func up(rows int) string {
	if rows < 1 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA", rows)
}
