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
	out     *console
	w       io.Writer
	columns int         // when the frame was drawn
	lines   []frameLine // drawn; the cursor is at the end of the last
}

// newScreen draws on w, a terminal of the console.
func newScreen(out *console, w io.Writer) *screen { return &screen{out: out, w: w} }

// draw replaces the frame.
func (s *screen) draw(lines []frameLine, columns int) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.put(lines, columns)
	s.out.surface = s
}

func (s *screen) put(lines []frameLine, columns int) {
	var out strings.Builder
	s.home(&out, columns)
	s.columns, s.lines = columns, lines
	for i, line := range lines {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line.painted)
		out.WriteString("\x1b[K") // the rest of what stood there
	}
	out.WriteString("\x1b[J") // and below
	_, _ = io.WriteString(s.w, out.String())
}

// home goes to the frame's first column and line. Terminals break lines anew
// that have become too wide.
func (s *screen) home(out *strings.Builder, columns int) {
	up := len(s.lines) - 1
	if columns > 0 && columns < s.columns {
		for _, line := range s.lines {
			up += max(0, visible.Width(line.plain)-1) / columns
		}
	}
	out.WriteString("\r")
	if up > 0 {
		fmt.Fprintf(out, "\x1b[%dA", up)
	}
}

// hide and show take the frame away for a note, and draw it again below.
func (s *screen) hide() {
	if len(s.lines) == 0 {
		return
	}
	var out strings.Builder
	s.home(&out, s.columns)
	out.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, out.String())
}

func (s *screen) show() {
	lines := s.lines
	s.lines = nil // none of them is there
	s.put(lines, s.columns)
}

// clear takes the frame away.
func (s *screen) clear() { _, _ = s.Write(nil) }

// Write takes the frame away and writes text in its place. The next draw puts a
// frame below it.
func (s *screen) Write(text []byte) (int, error) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.hide()
	s.end()
	return s.w.Write(text)
}

// leave lets the frame stand and goes on below it.
func (s *screen) leave() {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if len(s.lines) > 0 {
		_, _ = io.WriteString(s.w, "\r\n")
	}
	s.end()
}

// end forgets the frame.
func (s *screen) end() {
	s.lines = nil
	if s.out.surface == s {
		s.out.surface = nil
	}
}
