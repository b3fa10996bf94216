package datadir

import (
	"errors"

	"golang.org/x/sys/windows"
)

// IsFull reports whether err means that the disk is full.
func IsFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// IsOverQuota reports whether err means that the user's quota is used up.
func IsOverQuota(err error) bool { return errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED) }

// IsReadOnly reports whether err means that the volume is write-protected.
func IsReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// IsIOError reports whether err means that the disk has failed.
func IsIOError(err error) bool {
	return errors.Is(err, windows.ERROR_IO_DEVICE) || errors.Is(err, windows.ERROR_CRC)
}
