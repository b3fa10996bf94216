//go:build !windows

package datadir

import (
	"errors"
	"syscall"
)

// IsFull reports whether an error says that the disk has no room.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// IsOverQuota reports whether an error says that the user's quota is used up.
func IsOverQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

// IsReadOnly reports whether an error says that the file system is read-only.
func IsReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// IsIOError reports whether an error says that the disk itself has failed.
func IsIOError(err error) bool { return errors.Is(err, syscall.EIO) }
