package lineedit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"warren/internal/textfile"
	"warren/repl/term"
)

// A Reader hands out lines. It reads in a goroutine of its own, since a read
// cannot be interrupted: one line at a time, and only when the next is asked for.
type Reader struct {
	read     func(prompt string) (string, error) // without the newline; io.EOF at the end
	keep     func(line string)                   // for the history
	close    func()                              // leaves the terminal as it was
	terminal io.Writer                           // where the prompt is shown; nil on a pipe
	out      *term.Console                       // whose surface the line is; nil on a pipe
	erase    string                              // takes the line off the terminal, or goes below it
	redraw   func(prompt string)                 // draws the line again
	pending  chan lineRead                       // of the read under way, which sends one; nil where there is none
}

type lineRead struct {
	line string
	err  error
}

// Keep keeps a text for the history, if there is one.
func (r *Reader) Keep(text string) { r.keep(text) }

// Close leaves the terminal as it was. It may be called again.
func (r *Reader) Close() { r.close() }

// Next returns the next line. It also ends with ctx, and with term.ErrInterrupted by
// Ctrl-C; then the read goes on, and its line comes next time.
func (r *Reader) Next(ctx context.Context, interrupts <-chan os.Signal, prompt string) (string, error) {
	if r.out != nil {
		line := &editedLine{r, prompt}
		r.out.SetSurface(line)
		defer r.out.DropSurface(line)
	}
	if r.pending != nil {
		r.show(prompt) // the read under way has shown its own before
	} else {
		pending := make(chan lineRead, 1)
		go func() {
			line, err := r.read(prompt)
			pending <- lineRead{line, err}
		}()
		r.pending = pending
	}
	select {
	case got := <-r.pending:
		r.pending = nil
		return got.line, got.err
	case <-interrupts: // of a terminal: it was not, or not yet, the editor's to take
		r.show("\n")
		return "", term.ErrInterrupted
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (r *Reader) show(text string) {
	if r.terminal != nil {
		fmt.Fprint(r.terminal, text)
	}
}

// An editedLine is the line that is being typed, with its prompt: notes are printed
// above it.
type editedLine struct {
	reader *Reader
	prompt string
}

func (l *editedLine) Hide() { l.reader.show(l.reader.erase) }
func (l *editedLine) Show() { l.reader.redraw(l.prompt) }

// NewPlainReader reads lines of any length. On a terminal of out, one without line
// editing, it shows the prompt before each. What has been typed of a line is the
// terminal's to keep, so that only the prompt comes again below a note.
func NewPlainReader(in io.Reader, terminal io.Writer, out *term.Console) *Reader {
	r := &Reader{keep: func(string) {}, close: func() {}, terminal: terminal, out: out, erase: "\n"}
	r.redraw = r.show
	buffered, first := bufio.NewReader(in), true
	r.read = func(prompt string) (string, error) {
		r.show(prompt)
		line, err := term.ReadLine(buffered)
		if first {
			line, first = strings.TrimPrefix(line, textfile.BOM), false
		}
		return line, err
	}
	return r
}
