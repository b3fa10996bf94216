//go:build unix

package status

import (
	"errors"
	"syscall"
)

// isRefused reports whether no process listens on a socket.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// isUnsupported reports whether the system has no sockets of this kind.
func isUnsupported(error) bool { return false }
