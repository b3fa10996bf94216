package filejob

import (
	"errors"

	"golang.org/x/sys/windows"
)

// readerClosed reports whether a write failed because the reader has closed the pipe.
func readerClosed(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
