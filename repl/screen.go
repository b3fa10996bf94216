package repl

import (
	"fmt"
	"io"
	"strings"

	"warren/internal/visible"
)

// A frameLine is a line of a frame: what it looks like, and with its colors.
type frameLine struct{ plain, painted string }

// A screen draws a frame of lines in place, below what the terminal shows, and
// draws it over the next time. It changes no mode of the terminal and does not
// hide the cursor, so that there is nothing to restore, however the process
// ends. No line may be as wide as the terminal.
type screen struct {
	w       io.Writer
	columns int   // when the frame was drawn
	widths  []int // of its lines; the cursor is at the end of the last
}

// draw replaces the frame.
func (s *screen) draw(lines []frameLine, columns int) {
	var out strings.Builder
	s.home(&out, columns)
	s.columns, s.widths = columns, s.widths[:0]
	for i, line := range lines {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line.painted)
		out.WriteString("\x1b[K") // the rest of what stood there
		s.widths = append(s.widths, visible.Width(line.plain))
	}
	out.WriteString("\x1b[J") // and below
	_, _ = io.WriteString(s.w, out.String())
}

// home goes to the frame's first column and line. Terminals break lines anew
// that have become too wide.
func (s *screen) home(out *strings.Builder, columns int) {
	up := len(s.widths) - 1
	if columns > 0 && columns < s.columns {
		for _, width := range s.widths {
			up += max(0, width-1) / columns
		}
	}
	out.WriteString("\r")
	if up > 0 {
		fmt.Fprintf(out, "\x1b[%dA", up)
	}
}

// clear takes the frame away.
func (s *screen) clear() {
	if len(s.widths) == 0 {
		return
	}
	var out strings.Builder
	s.home(&out, s.columns)
	out.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, out.String())
	s.widths = s.widths[:0]
}

// leave lets the frame stand and goes on below it.
func (s *screen) leave() {
	if len(s.widths) > 0 {
		_, _ = io.WriteString(s.w, "\r\n")
		s.widths = s.widths[:0]
	}
}
