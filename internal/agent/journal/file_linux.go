package journal

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Allocate uses fallocate(2), which reserves space on copy-on-write file systems too, and extends
// the file, so that a sync of an append writes only data. Then, or without fallocate, it
// writes zeros: ext4 records the first write to each block of a fallocated range, and a sync
// would wait for that.
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

// Sync is fdatasync(2), which does not wait for file times, but for a changed size.
func (f osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
