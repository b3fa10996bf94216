package status

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused reports whether no process listens on a socket.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }

// isUnsupported reports whether the system has no sockets of this kind.
func isUnsupported(err error) bool { return errors.Is(err, windows.WSAEAFNOSUPPORT) }
