//go:build !windows

package datadir

import (
	"errors"
	"syscall"
)

// below reports whether a stat failed since a parent is no directory: then the
// parent itself is to be named.
func below(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
