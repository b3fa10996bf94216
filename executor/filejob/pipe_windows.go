package filejob

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// readerClosed reports whether a write failed because the reader has closed the pipe.
func readerClosed(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}

// interruptible returns a pipe as a reader whose Read fails when ctx ends.
// A read of the pipe itself cannot be interrupted.
func interruptible(ctx context.Context, pipe *os.File) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(w, pipe, make([]byte, 256<<10))
		w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Canceled) })
	return r
}
