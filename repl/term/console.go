package term

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"warren/internal/displaywidth"
)

// A Console writes to the operator's terminal, or to the files that replace it. Any
// goroutine may print notes. At most one surface at a time is drawn in place: the console
// prints notes above it, never into it.
type Console struct {
	IO
	Paint Paint // of standard output

	// ShellForm, where present, changes the commands that a note names, outside errors, to how they
	// are typed in a shell.
	ShellForm func(text string) string

	// Paged, where present, is called after a pager has run: a Ctrl-C that was pressed
	// meanwhile was for the pager.
	Paged func()

	paging atomic.Bool

	mu      sync.Mutex // held while a note is written, and while the surface is drawn
	surface Surface    // nil where nothing is drawn in place
}

// A Surface is text that stays at the bottom of the terminal and changes there:
// the live view, or the line that is being edited. The console calls Hide and Show
// while it holds its lock.
type Surface interface {
	Hide() // takes the text off the terminal
	Show() // draws it again
}

func NewConsole(io IO, paint Paint) *Console { return &Console{IO: io, Paint: paint} }

// Width is the number of columns of standard output; 0 where that is no terminal.
func (c *Console) Width() int {
	if !c.OutTerminal || c.Size == nil {
		return 0
	}
	columns, _ := c.Size()
	return columns
}

// Note writes a line that is neither result nor error to standard error, where that
// is a terminal broken at blanks. It translates format and args. Any goroutine may call it.
func (c *Console) Note(format string, args ...any) {
	width := 0
	if c.ErrTerminal && c.Size != nil {
		width, _ = c.Size()
	}
	text := c.Lang.Sprintf(format, args...)
	if !strings.HasPrefix(format, "error:") { // which has words of the operator's
		text = c.InForm(text)
	}
	text = Wrap(Line(text), width) + "\n"
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surface == nil || !c.ErrTerminal {
		_, _ = io.WriteString(c.Err, text)
		return
	}
	c.surface.Hide()
	_, _ = io.WriteString(c.Err, text)
	c.surface.Show()
}

// InForm returns a text for a person with its commands as they are typed: at the prompt, or in a shell.
func (c *Console) InForm(text string) string {
	if c.ShellForm == nil {
		return text
	}
	return c.ShellForm(text)
}

// Above writes results to standard output, above what is drawn in place. Any goroutine may
// call it.
func (c *Console) Above(write func(w *bufio.Writer) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surface != nil {
		c.surface.Hide()
		defer c.surface.Show()
	}
	return c.Print(write)
}

// SetSurface makes s the surface, and draws it.
func (c *Console) SetSurface(s Surface) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.surface = s
	s.Show()
}

// Update calls change while the console neither prints nor draws. Shown says whether s is
// the surface: only then may change draw.
func (c *Console) Update(s Surface, change func(shown bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.surface == s)
}

// DropSurface ends what SetSurface has begun.
func (c *Console) DropSurface(s Surface) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surface == s {
		c.surface = nil
	}
}

// Print writes results through a buffer that is flushed at the end.
func (c *Console) Print(write func(w *bufio.Writer) error) error {
	w := bufio.NewWriterSize(c.Out, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// Lines writes results, a line each.
func (c *Console) Lines(lines []string) error {
	return c.Print(func(w *bufio.Writer) error {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		return nil
	})
}

// Align returns a line for each row of a table, on a terminal cut to its width: the widest columns
// are cut, but not the first nor those in whole. It translates the first row, the names of the columns.
func (c *Console) Align(rows [][]string, whole ...int) []string {
	for n, row := range rows {
		for i, cell := range row {
			if n == 0 {
				cell = c.Lang.Word(cell)
			}
			if cell == "" {
				cell = "-"
			}
			row[i] = Line(cell)
		}
	}
	fit(rows, c.Width(), whole)
	lines := displaywidth.Align(rows)
	for i, line := range lines {
		lines[i] = Clip(strings.TrimRight(line, " "), c.Width())
	}
	return lines
}

// Table prints what Align returns. On a terminal a long table is paged.
func (c *Console) Table(rows [][]string, whole ...int) error {
	_, err := c.Page(func(w *bufio.Writer) error {
		for _, line := range c.Align(rows, whole...) {
			fmt.Fprintln(w, line)
		}
		return nil
	})
	return err
}

// Paging reports whether a pager may be running: then Ctrl-C is for it.
func (c *Console) Paging() bool { return c.paging.Load() }

// Page writes results, through the pager where they are long and a person reads
// them. Paged says that the pager ran: what was typed meanwhile was for it.
func (c *Console) Page(write func(w *bufio.Writer) error) (paged bool, err error) {
	if !c.OutTerminal || c.Size == nil {
		return false, c.Print(write)
	}
	words := pagerWords()
	if words == nil {
		return false, c.Print(write)
	}
	p := &pager{out: c.Out, words: words, screen: c.Size}
	c.paging.Store(true)
	defer c.paging.Store(false)
	w := bufio.NewWriterSize(p, 64<<10)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	err = errors.Join(err, p.close())
	if errors.Is(err, errPagerLeft) {
		err = nil
	}
	if p.cmd != nil && c.Paged != nil {
		c.Paged()
	}
	return p.cmd != nil, err
}
