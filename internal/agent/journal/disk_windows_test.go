package journal

import "golang.org/x/sys/windows"

// Errors of a disk.
const (
	errDiskFull  = windows.ERROR_DISK_FULL
	errOverQuota = windows.ERROR_DISK_QUOTA_EXCEEDED
	errReadOnly  = windows.ERROR_WRITE_PROTECT
	errBroken    = windows.ERROR_IO_DEVICE
)
