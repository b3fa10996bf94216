package repl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

const promptText = "warren> "

// A lineReader hands out lines. It reads in a goroutine of its own, since a read
// cannot be interrupted: one line at a time, and only when the next is asked for.
type lineReader struct {
	read    func() (string, error) // without the newline; io.EOF at the end
	close   func()                 // leaves the terminal as it was
	pending chan lineRead          // of the read under way, which sends one; nil where there is none
}

type lineRead struct {
	line string
	err  error
}

// next returns the next line. It also ends with ctx, and with errInterrupted by
// Ctrl-C; then the read goes on, and its line comes next time.
func (r *lineReader) next(ctx context.Context, interrupts <-chan os.Signal) (string, error) {
	if r.pending == nil {
		pending := make(chan lineRead, 1)
		go func() {
			line, err := r.read()
			pending <- lineRead{line, err}
		}()
		r.pending = pending
	}
	select {
	case <-interrupts: // first of all, also where a line is there
		return "", errInterrupted
	default:
	}
	select {
	case got := <-r.pending:
		r.pending = nil
		return got.line, got.err
	case <-interrupts:
		return "", errInterrupted
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// newPipeReader reads lines of any length. On a terminal without line editing
// prompt is written to out before each.
func newPipeReader(in io.Reader, out io.Writer, prompt string) *lineReader {
	r := bufio.NewReader(in)
	return &lineReader{
		read: func() (string, error) {
			if prompt != "" {
				fmt.Fprint(out, prompt)
			}
			return readLine(r)
		},
		close: func() {},
	}
}

// readLine reads a line and takes its end off. A last line without an end counts.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	if body, ok := strings.CutSuffix(line, "\n"); ok {
		line = strings.TrimSuffix(body, "\r")
	}
	return line, nil
}
