//go:build unix

package filejob

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// readerClosed reports whether a write failed because the reader has closed the pipe.
func readerClosed(err error) bool { return errors.Is(err, syscall.EPIPE) }

// interruptible returns a pipe as a reader whose Read fails when ctx ends. It takes the pipe over.
func interruptible(ctx context.Context, pipe *os.File) io.ReadCloser {
	fd := pipe.Fd()
	if syscall.SetNonblock(int(fd), true) != nil {
		return pipe
	}
	polled := os.NewFile(fd, pipe.Name()) // the runtime waits for it, not a read
	context.AfterFunc(ctx, func() { _ = polled.SetReadDeadline(time.Unix(1, 0)) })
	return polled
}
