package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"warren/internal/visible"
)

// A console writes to the operator's terminal, or to the files that stand in for
// it. Notes may come from any goroutine. At most one surface at a time is drawn in
// place: a note is printed above it, never into it.
type console struct {
	Stdio
	paint paint // of standard output

	mu      sync.Mutex // held while a note is written, and while the surface is drawn
	surface surface    // nil where nothing is drawn in place
}

// A surface is text that stands at the bottom of the terminal and changes there:
// the live view, or the line that is being edited. The console calls hide and show
// while it holds its lock.
type surface interface {
	hide() // takes the text off the terminal
	show() // draws it again
}

func newConsole(io Stdio, paint paint) *console { return &console{Stdio: io, paint: paint} }

// width is the number of columns of standard output; 0 where that is no terminal.
func (c *console) width() int {
	if !c.OutTerminal || c.Size == nil {
		return 0
	}
	columns, _ := c.Size()
	return columns
}

// note writes a line that is neither result nor error to standard error, where that
// is a terminal broken at blanks. Any goroutine may call it.
func (c *console) note(format string, args ...any) {
	width := 0
	if c.ErrTerminal && c.Size != nil {
		width, _ = c.Size()
	}
	text := visible.Wrap(visible.Line(fmt.Sprintf(format, args...)), width) + "\n"
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surface == nil || !c.ErrTerminal {
		_, _ = io.WriteString(c.Err, text)
		return
	}
	c.surface.hide()
	_, _ = io.WriteString(c.Err, text)
	c.surface.show()
}

// enter makes s the surface.
func (c *console) enter(s surface) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.surface = s
}

// exit ends what enter has begun.
func (c *console) exit(s surface) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surface == s {
		c.surface = nil
	}
}

// print writes results through a buffer that is flushed at the end.
func (c *console) print(write func(w *bufio.Writer) error) error {
	w := bufio.NewWriterSize(c.Out, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// printLines writes results, a line each.
func (c *console) printLines(lines []string) error {
	return c.print(func(w *bufio.Writer) error {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		return nil
	})
}

// table aligns columns; on a terminal each row is cut to one line.
func (c *console) table(rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			row[i] = visible.Line(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible.Width(row[i]))
		}
	}
	return c.print(func(w *bufio.Writer) error {
		for _, row := range rows {
			var line strings.Builder
			for i, cell := range row {
				line.WriteString(visible.Pad(cell, widths[i]+2))
			}
			fmt.Fprintln(w, visible.Clip(strings.TrimRight(line.String(), " "), c.width()))
		}
		return nil
	})
}

// page writes results, through the pager where they are long and a person reads
// them. Paged says that the pager ran: what was typed meanwhile was for it.
func (c *console) page(write func(w *bufio.Writer) error) (paged bool, err error) {
	if !c.OutTerminal || c.Size == nil {
		return false, c.print(write)
	}
	words := pagerWords()
	if words == nil {
		return false, c.print(write)
	}
	p := &pager{out: c.Out, words: words, screen: c.Size}
	w := bufio.NewWriterSize(p, 64<<10)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	err = errors.Join(err, p.close())
	if errors.Is(err, errPagerLeft) {
		err = nil
	}
	return p.cmd != nil, err
}
