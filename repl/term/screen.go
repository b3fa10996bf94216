package term

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// A FrameLine is a line of a frame: what it looks like, and with its colors.
type FrameLine struct{ Plain, Painted string }

// A Screen draws a frame of lines in place, below what the terminal shows, and
// draws it over the next time. It changes no mode of the terminal and does not
// hide the cursor, so that there is nothing to restore, however the process
// ends. No line may be as wide as the terminal.
type Screen struct {
	out     *Console
	w       io.Writer
	columns int         // when the frame was drawn
	lines   []FrameLine // drawn; the cursor is at the end of the last
}

// Draws reports whether the terminal of the console can show a Screen.
func (c *Console) Draws() bool {
	return c.Size != nil && os.Getenv("TERM") != "dumb" && TakesColors()
}

// NewScreen draws on w, a terminal of the console.
func NewScreen(out *Console, w io.Writer) *Screen { return &Screen{out: out, w: w} }

// Draw replaces the frame.
func (s *Screen) Draw(lines []FrameLine, columns int) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.put(lines, columns)
	s.out.surface = s
}

func (s *Screen) put(lines []FrameLine, columns int) {
	var out strings.Builder
	s.home(&out, columns)
	s.columns, s.lines = columns, lines
	for i, line := range lines {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line.Painted)
		out.WriteString("\x1b[K") // the rest of what stood there
	}
	out.WriteString("\x1b[J") // and below
	_, _ = io.WriteString(s.w, out.String())
}

// home moves the cursor to the frame's first column and line. Terminals rewrap lines that
// have become too wide.
func (s *Screen) home(out *strings.Builder, columns int) {
	up := len(s.lines) - 1
	if columns > 0 && columns < s.columns {
		for _, line := range s.lines {
			up += max(0, Width(line.Plain)-1) / columns
		}
	}
	out.WriteString("\r")
	if up > 0 {
		fmt.Fprintf(out, "\x1b[%dA", up)
	}
}

// Hide and show take the frame away for a note, and draw it again below.
func (s *Screen) Hide() {
	if len(s.lines) == 0 {
		return
	}
	var out strings.Builder
	s.home(&out, s.columns)
	out.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, out.String())
}

func (s *Screen) Show() {
	lines := s.lines
	s.lines = nil // none of them is there
	s.put(lines, s.columns)
}

// Clear takes the frame away.
func (s *Screen) Clear() { _, _ = s.Write(nil) }

// Write takes the frame away and writes text in its place. The next draw puts a
// frame below it.
func (s *Screen) Write(text []byte) (int, error) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.Hide()
	s.end()
	return s.w.Write(text)
}

// Leave keeps the frame on the screen and moves the cursor below it.
func (s *Screen) Leave() {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if len(s.lines) > 0 {
		_, _ = io.WriteString(s.w, "\r\n")
	}
	s.end()
}

// end forgets the frame.
func (s *Screen) end() {
	s.lines = nil
	if s.out.surface == s {
		s.out.surface = nil
	}
}
