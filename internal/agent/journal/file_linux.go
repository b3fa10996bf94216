package journal

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Allocate uses fallocate(2), which keeps its promise on file systems that copy
// on write too; the file's size grows with it, so that a sync of an append
// writes the data alone. Then, or where there is no fallocate, it writes zeros:
// ext4 notes each block of a fallocated range that is written for the first
// time, and the sync waits for that too.
func (f osFile) Allocate(from, to int64) error {
	for {
		switch err := unix.Fallocate(int(f.Fd()), 0, from, to-from); {
		case errors.Is(err, unix.EINTR):
		case err == nil, errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return writeZeros(f, from, to)
		default:
			return err
		}
	}
}

// Sync is fdatasync(2): times are left out, a changed size is not.
func (f osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
