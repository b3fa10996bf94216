//go:build unix

package lineedit

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"warren/repl/term"
)

// A screen is a terminal of any height: logical lines, which it wraps at its right margin.
type screen struct {
	columns, row, column int
	rows                 []string // characters of one column; a wide one is followed by \x00
	wrapped              []bool   // the row continues in the next
}

func (s *screen) at(row int) {
	for len(s.rows) <= row {
		s.rows, s.wrapped = append(s.rows, ""), append(s.wrapped, false)
	}
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([ABCJ])`)

func (s *screen) Write(b []byte) (int, error) {
	for n := len(b); ; {
		if len(b) == 0 {
			return n, nil
		}
		s.at(s.row)
		size := 1
		if found := sequence.FindSubmatch(b); found != nil {
			by, _ := strconv.Atoi(string(found[1]))
			size = len(found[0])
			switch found[2][0] {
			case 'A':
				s.row = max(0, s.row-by)
			case 'B':
				s.row += by
			case 'C':
				s.column += by
			case 'J':
				s.rows, s.wrapped = s.rows[:s.row+1], s.wrapped[:s.row+1]
				s.rows[s.row], s.wrapped[s.row] = cut(s.rows[s.row], s.column), false
			}
		} else if b[0] == '\r' {
			s.column = 0
		} else if b[0] == '\n' {
			s.row, s.column = s.row+1, 0 // as the terminal's driver translates it
		} else {
			var c rune
			c, size = utf8.DecodeRune(b)
			s.put(c)
		}
		b = b[size:]
	}
}

func (s *screen) put(c rune) {
	width := term.Width(string(c))
	s.at(s.row)
	if s.column+width > s.columns {
		s.wrapped[s.row] = true
		s.row, s.column = s.row+1, 0
		s.at(s.row)
	}
	row := s.rows[s.row]
	row += strings.Repeat(" ", max(0, s.column-utf8.RuneCountInString(row)))
	cells := []rune(row)
	put := []rune{c, 0}[:width]
	s.rows[s.row] = string(slices.Concat(cells[:s.column], put, cells[min(len(cells), s.column+width):]))
	s.column += width
}

func cut(row string, columns int) string {
	cells := []rune(row)
	return string(cells[:min(columns, len(cells))])
}

// text is what the screen shows.
func (s *screen) text() string {
	return strings.TrimRight(strings.ReplaceAll(strings.Join(s.rows, "\n"), "\x00", ""), "\n")
}

// resize wraps the rows again. The cursor stays at its character.
func (s *screen) resize(columns int) {
	s.at(s.row) // the cursor may be below all that was printed
	old := *s
	*s = screen{columns: columns}
	row, column := 0, 0
	for i, cells := range old.rows {
		for j, c := range []rune(cells + strings.Repeat(" ", max(0, old.column-utf8.RuneCountInString(cells)))) {
			if i == old.row && j == old.column {
				row, column = s.after(c)
			}
			if j < utf8.RuneCountInString(cells) && c != 0 {
				s.put(c)
			}
		}
		if i == old.row && old.column >= utf8.RuneCountInString(cells) {
			row, column = s.row, s.column
		}
		if !old.wrapped[i] && i < len(old.rows)-1 {
			s.row, s.column = s.row+1, 0
			s.at(s.row)
		}
	}
	s.row, s.column = row, column
}

// after returns where c goes.
func (s *screen) after(c rune) (row, column int) {
	s.at(s.row)
	if s.column+term.Width(string(c)) > s.columns {
		return s.row + 1, 0
	}
	return s.row, s.column
}

// editorPrints is what the line editor prints in its mode for several rows when its line
// changes.
func editorPrints(prompt, line []rune, pos, columns int, absolute bool) string {
	all := func(int) bool { return true }
	total := editorColumns(slices.Concat(prompt, line), columns, all)
	cursor := editorColumns(slices.Concat(prompt, line[:pos]), columns, all)
	move := func(column int) string {
		if absolute {
			return fmt.Sprintf("\x1b[%dG", column+1)
		}
		if column == 0 {
			return "\r"
		}
		return fmt.Sprintf("\r\x1b[%dC", column)
	}
	rows := (total + columns - 1) / columns
	out := "\x1b[2B" + move(0) + "\x1b[0K\x1b[1A" + move(0) + "\x1b[0K" + string(prompt) + string(line)
	if cursor == total && total%columns == 0 {
		out += "\n" + move(0)
		rows++
	}
	if n := rows - (cursor+columns)/columns; n > 0 {
		out += up(n)
	}
	return out + move(cursor%columns)
}

// Whatever is typed, whatever notes arrive and however the terminal is resized, it shows the
// notes, and below them the line with the cursor at its character.
func TestViewShowsNotesAndLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &screen{columns: rapid.IntRange(20, 40).Draw(t, "columns")}
		out := term.NewConsole(term.IO{Out: s, Err: s, OutTerminal: true, ErrTerminal: true, Size: func() (int, int) { return s.columns, 0 }}, false)
		v := newLineView(out)
		above, prompt, line, pos := "", []rune("warren> "), []rune{}, 0
		prints := func(text string) {
			b := []byte(text)
			for len(b) > 0 { // in pieces
				n := rapid.IntRange(1, len(b)).Draw(t, "piece")
				v.take(b[:n])
				b = b[n:]
			}
		}
		out.SetSurface(v)
		letters := rapid.SliceOfN(rapid.SampledFrom([]rune("ab 主é“")), 1, 30)
		absolute := rapid.Bool().Draw(t, "absolute")
		prints(string(prompt))
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				more := letters.Draw(t, "typed")
				line = slices.Concat(line[:pos], more, line[pos:])
				pos += len(more)
			case 1:
				pos = rapid.IntRange(0, len(line)).Draw(t, "cursor")
			case 2:
				out.Note("note")
				above += "note\n"
				continue
			case 3:
				s.resize(rapid.IntRange(20, 40).Draw(t, "columns"))
			}
			prints(editorPrints(prompt, line, pos, s.columns, absolute))
		}
		want := &screen{columns: s.columns}
		fmt.Fprint(want, strings.ReplaceAll(above, "\n", "\r\n")+string(prompt)+string(line))
		if s.text() != want.text() {
			t.Fatalf("on %d columns the terminal shows\n%s\nnot\n%s", s.columns, s.text(), want.text())
		}
		want = &screen{columns: s.columns}
		fmt.Fprint(want, strings.ReplaceAll(above, "\n", "\r\n")+string(prompt)+string(line[:pos]))
		row, column := want.row, want.column
		if pos < len(line) {
			row, column = want.after(line[pos])
		} else if column == s.columns {
			row, column = row+1, 0
		}
		if s.row != row || s.column != column {
			t.Fatalf("the cursor is in row %d, column %d, not row %d, column %d, of\n%s", s.row, s.column, row, column, s.text())
		}
		v.take([]byte("\n"))
		v.finish()
		if s.row < strings.Count(s.text(), "\n")+1 {
			t.Fatalf("at the end the cursor is in row %d of\n%s", s.row, s.text())
		}
	})
}

// A note that comes before the editor has drawn the prompt does not draw it.
func TestNoteBeforeTheFirstDrawing(t *testing.T) {
	var text bytes.Buffer
	out := term.NewConsole(term.IO{Out: &text, Err: &text, ErrTerminal: true}, false)
	v := newLineView(out)
	out.SetSurface(v)
	out.Note("note")
	v.take([]byte("warren> "))
	if text.String() != "note\nwarren> " {
		t.Errorf("%q", text.String())
	}
}
