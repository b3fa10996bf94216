//go:build unix

package journal

import "syscall"

// Errors of a disk.
const (
	errDiskFull  = syscall.ENOSPC
	errOverQuota = syscall.EDQUOT
	errReadOnly  = syscall.EROFS
	errBroken    = syscall.EIO
)
