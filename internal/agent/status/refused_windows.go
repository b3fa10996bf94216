package status

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused reports whether nobody listens on a socket.
func isRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNREFUSED) || errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND)
}
