//go:build !windows

package datadir

import (
	"errors"
	"syscall"
)

// below reports whether a stat failed because a parent is not a directory. Then the
// error must name the parent.
func below(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
