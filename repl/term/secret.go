package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"warren/internal/translate"
)

// ErrNone: the process has no terminal.
var ErrNone = errors.New("there is no terminal to ask on")

// ErrAborted: Ctrl-C, or Ctrl-D on an empty line.
var ErrAborted = errors.New("nothing was entered")

// ReadSecret shows prompt, translated, on the terminal and reads a line without echo. It opens the
// terminal itself, so that standard input and output may be pipes, and restores the
// terminal's mode. It fails if the process has no terminal. Its errors are ErrNone,
// ErrAborted, ctx's, and the system's.
func ReadSecret(ctx context.Context, prompt string) (secret string, err error) {
	in, out, err := open()
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNone, err)
	}
	defer in.Close()
	if out != in {
		defer out.Close()
	}
	fd, err := descriptor(in)
	if err != nil {
		return "", err
	}
	// Raw, so that Ctrl-C is a key: a signal would end the process with the echo
	// off, or be somebody else's to handle while this read goes on.
	mode, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNone, err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, mode)) }()
	// Where the system cannot wait for a terminal with a deadline, it is read on.
	defer context.AfterFunc(ctx, func() { _ = in.SetReadDeadline(time.Now()) })()
	line := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	// A serial line has no size: then the line editor's own, 80 by 24, is as good.
	if width, height, err := term.GetSize(fd); err == nil && width > 0 && height > 0 {
		_ = line.SetSize(width, height) // an error would be of writing, as the next
	}
	secret, err = line.ReadPassword(translate.FromEnvironment(os.Getenv).Text(prompt))
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, io.EOF):
		fmt.Fprint(out, "\r\n")
		return "", ErrAborted
	}
	return secret, err
}

// descriptor is the file's number. File.Fd would make reads of it block for good.
func descriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	return fd, raw.Control(func(n uintptr) { fd = int(n) })
}
