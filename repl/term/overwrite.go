package term

import (
	"bytes"
	"regexp"
	"unicode/utf8"
)

// Output is Text for the output of a command. Where a carriage return lets a line
// overwrite itself, as progress displays do, it returns what a terminal would show at
// the end.
func Output(b []byte) string { return Text(Overwrite(b)) }

// Overwrite applies the carriage returns of lines. It also applies tabs and erasures
// (EL) to such lines, and removes their trailing blanks. It returns other lines unchanged,
// except that a line ends with LF only.
func Overwrite(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for line := range bytes.Lines(b) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		text = bytes.TrimRight(text, "\r")
		if bytes.IndexByte(text, '\r') >= 0 {
			var l overwrittenLine
			l.write(text)
			text = bytes.TrimRight(bytes.Join(l.cells, nil), " ")
		}
		out = append(out, text...)
		if ended {
			out = append(out, '\n')
		}
	}
	return out
}

const tabWidth = 8

// widestTabs bounds how many tabs of a line take more than one column, and so the memory
// for a line.
const widestTabs = 8 << 10

// An overwrittenLine is a line of a terminal that has no right margin.
type overwrittenLine struct {
	cells  [][]byte // by column; the second column of a wide character is empty
	column int      // of the cursor
	blanks int      // cells at the beginning that are blank: to erase them again costs nothing
}

var (
	blank           = []byte(" ")
	controlSequence = regexp.MustCompile("^\x1b\\[[0-?]*[ -/]*[@-~]")
)

func (l *overwrittenLine) write(text []byte) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if sequence := controlSequence.Find(text); sequence != nil {
			size = len(sequence)
			if l.erase(string(sequence)) {
				text = text[size:]
				continue
			}
		}
		switch width := columns.RuneWidth(r); {
		case r == '\r':
			l.column = 0
		case r == '\t' && l.column >= tabWidth*widestTabs:
			l.column++
		case r == '\t':
			l.column += tabWidth - l.column%tabWidth
		case r == utf8.RuneError && size == 1:
			l.put(text[:size], 1)
		case width == 0:
			l.attach(text[:size])
		default:
			l.put(text[:size], width)
		}
		text = text[size:]
	}
}

// erase applies a control sequence that erases a part of the line.
func (l *overwrittenLine) erase(sequence string) bool {
	switch sequence {
	case "\x1b[K", "\x1b[0K":
		l.eraseBehind()
	case "\x1b[1K":
		l.eraseBefore()
	case "\x1b[2K":
		l.eraseBehind()
		l.eraseBefore()
	default:
		return false
	}
	return true
}

// eraseBehind erases from the cursor to the end.
func (l *overwrittenLine) eraseBehind() {
	if l.column < len(l.cells) {
		l.clear(l.column)
		l.cells = l.cells[:l.column]
		l.blanks = min(l.blanks, l.column)
	}
}

// eraseBefore erases from the beginning to the cursor.
func (l *overwrittenLine) eraseBefore() {
	for to := min(l.column+1, len(l.cells)); l.blanks < to; l.blanks++ {
		l.clear(l.blanks)
	}
}

// put writes a character at the cursor, and moves the cursor.
func (l *overwrittenLine) put(character []byte, width int) {
	l.extend(l.column + width)
	l.blanks = min(l.blanks, l.column)
	for i := range width {
		l.clear(l.column + i)
	}
	l.cells[l.column] = character
	for i := 1; i < width; i++ {
		l.cells[l.column+i] = nil
	}
	l.column += width
}

// mostAttached bounds what is attached to a character, in bytes.
const mostAttached = 1 << 10

// attach adds what takes no column, such as an accent or a color, to the character before the
// cursor.
func (l *overwrittenLine) attach(mark []byte) {
	at := max(0, l.column-1)
	l.extend(at + 1)
	for at > 0 && len(l.cells[at]) == 0 {
		at--
	}
	if len(l.cells[at]) < mostAttached {
		l.cells[at] = append(bytes.Clone(l.cells[at]), mark...)
		l.blanks = min(l.blanks, at)
	}
}

func (l *overwrittenLine) extend(width int) {
	for len(l.cells) < width {
		l.cells = append(l.cells, blank)
	}
}

// clear replaces a character by blanks in all of its columns.
func (l *overwrittenLine) clear(i int) {
	for i > 0 && len(l.cells[i]) == 0 {
		i--
	}
	l.cells[i] = blank
	for i++; i < len(l.cells) && len(l.cells[i]) == 0; i++ {
		l.cells[i] = blank
	}
}
