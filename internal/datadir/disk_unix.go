//go:build !windows

package datadir

import (
	"errors"
	"syscall"
)

// IsFull reports whether err means that the disk is full.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// IsOverQuota reports whether err means that the user's quota is used up.
func IsOverQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

// IsReadOnly reports whether err means that the file system is read-only.
func IsReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// IsIOError reports whether err means that the disk has failed.
func IsIOError(err error) bool { return errors.Is(err, syscall.EIO) }
