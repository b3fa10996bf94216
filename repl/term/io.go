package term

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"warren/internal/translate"
)

// ErrInterrupted is Ctrl-C while something was waited for.
var ErrInterrupted = errors.New("interrupted")

// IO is where the operator is.
type IO struct {
	In       io.Reader
	Out, Err io.Writer

	// Lang is the operator's language; nil is English.
	Lang *translate.Language

	// Whether each is a terminal. The line editor of a terminal works on the
	// process's own standard input and output, whatever In and Out are.
	InTerminal, OutTerminal, ErrTerminal bool

	// Size is that of the terminal, Out's or else Err's; nil or 0 is unknown.
	Size func() (columns, rows int)

	// Secret asks for a line without echo, on the terminal; nil cannot ask.
	Secret func(ctx context.Context, prompt string) (string, error)

	// Interrupts delivers each Ctrl-C. Nil: Main listens for os.Interrupt
	// itself. While it closes the Engine the first one has it leave soon, the
	// next ends the process.
	Interrupts <-chan os.Signal

	// Leave, unless it is nil, is called when Ctrl-C was pressed twice and the command has not ended.
	// The caller of Main must then end the process soon: Main may wait for ever, for example for Err.
	Leave func()
}

// OS is the process's own standard input and output.
func OS() IO {
	out, err := os.Stdout, os.Stderr // the line editor replaces os.Stdout
	isTerminal := func(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }
	return IO{
		In: os.Stdin, Out: out, Err: err, Lang: translate.FromEnvironment(os.Getenv),
		InTerminal: isTerminal(os.Stdin), OutTerminal: isTerminal(out), ErrTerminal: isTerminal(err),
		Size: func() (columns, rows int) {
			for _, f := range []*os.File{out, err} {
				if columns, rows, err := term.GetSize(int(f.Fd())); err == nil {
					return columns, rows
				}
			}
			return 0, 0
		},
	}
}
