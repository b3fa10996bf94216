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

// interruptible returns a pipe as a reader whose Read fails when ctx ends.
func interruptible(ctx context.Context, pipe *os.File) io.ReadCloser {
	fd, err := syscall.Dup(int(pipe.Fd()))
	if err != nil {
		return pipe
	}
	syscall.CloseOnExec(fd)
	_ = syscall.SetNonblock(fd, true)
	polled := os.NewFile(uintptr(fd), pipe.Name()) // the runtime waits for it, not a read
	if polled.SetReadDeadline(time.Time{}) != nil {
		_ = syscall.SetNonblock(fd, false) // a file of the disk, which never waits
	}
	context.AfterFunc(ctx, func() { _ = polled.SetReadDeadline(time.Unix(1, 0)) })
	return polled
}
