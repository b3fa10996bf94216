//go:build unix

package filejob

import (
	"errors"
	"syscall"
)

// readerClosed reports whether a write failed because the reader has closed the pipe.
func readerClosed(err error) bool { return errors.Is(err, syscall.EPIPE) }
