package lineedit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"warren/repl/term"
)

// A Reader hands out lines. It reads in a goroutine of its own, since a read
// cannot be interrupted: one line at a time, and only when the next is asked for.
type Reader struct {
	read    func(prompt string) (string, error) // without the newline; io.EOF at the end
	keep    func(line string)                   // for the history
	close   func()                              // leaves the terminal as it was
	out     *term.Console                       // whose surface the line is; nil on a pipe
	line    func(prompt string) editedLine      // the line that is read next
	pending chan lineRead                       // of the read under way, which sends one; nil where there is none
}

type lineRead struct {
	line string
	err  error
}

// Keep keeps a text for the history, if there is one.
func (r *Reader) Keep(text string) { r.keep(text) }

// ShowsPrompt reports whether Next shows the prompt.
func (r *Reader) ShowsPrompt() bool { return r.out != nil }

// Close leaves the terminal as it was. It may be called again.
func (r *Reader) Close() { r.close() }

// Next returns the next line. It also ends with ctx, and with term.ErrInterrupted by
// Ctrl-C; then the read goes on, and its line comes next time.
func (r *Reader) Next(ctx context.Context, interrupts <-chan os.Signal, prompt string) (string, error) {
	leave := func() {}
	if r.out != nil {
		line := r.line(prompt)
		r.out.SetSurface(line)
		defer r.out.DropSurface(line)
		leave = line.leave
	}
	if r.pending == nil {
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
		leave()
		return "", term.ErrInterrupted
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// An editedLine is the line that is being typed, with its prompt: notes are printed
// above it.
type editedLine interface {
	term.Surface
	leave() // moves the cursor below the line, which stays
}

// NewPlainReader reads lines of any length, in UTF-8, or in UTF-16 with a byte order
// mark. On a terminal of out, one without line editing, it shows the prompt before each.
func NewPlainReader(in io.Reader, terminal io.Writer, out *term.Console) *Reader {
	r := &Reader{keep: func(string) {}, close: func() {}}
	if terminal != nil {
		r.out = out
		r.line = func(prompt string) editedLine { return &plainLine{terminal, prompt} }
	}
	if terminal == nil { // a file of commands, perhaps from Windows
		in = transform.NewReader(in, unicode.BOMOverride(transform.Nop))
	}
	buffered := bufio.NewReader(in)
	r.read = func(string) (string, error) { return term.ReadLine(buffered) }
	return r
}

// A plainLine is a line on a terminal that edits it itself. What has been typed of it is
// not known here, so that only the prompt comes again below a note.
type plainLine struct {
	terminal io.Writer
	prompt   string
}

func (l *plainLine) Hide()  { l.leave() }
func (l *plainLine) Show()  { fmt.Fprint(l.terminal, l.prompt) }
func (l *plainLine) leave() { fmt.Fprintln(l.terminal) }
