package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"warren/internal/datadir"
)

const (
	maxSize   = 10 << 20 // bytes of a file at which the next record begins a new one
	keepFiles = 5        // older files kept

	// lockTimeout bounds the wait for other processes, each of which holds the
	// lock for one write: longer, and something is wrong with the disk.
	lockTimeout = 10 * time.Second
)

// A file is an append-only file that is rotated by size. It is opened for each
// write, under the lock of all logs, so that no process ever writes to one that
// another has renamed, and Windows can rename it.
type file struct {
	path string
	lock string
	max  int64
	keep int
}

// Write appends p, a whole line, by one write. If the disk has no room for the whole line,
// Write leaves no part of it.
func (f *file) Write(p []byte) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	lock, err := datadir.Acquire(ctx, f.lock)
	if err != nil {
		return 0, err
	}
	defer func() { _ = lock.Unlock() }() // it fails only if the lock is not held

	out, size, err := f.open()
	if err != nil {
		return 0, err
	}
	if size > 0 && size+int64(len(p)) > f.max {
		if out, size, err = f.rotate(out); err != nil {
			return 0, err
		}
	}
	n, err := out.Write(p)
	if err != nil {
		err = errors.Join(err, out.Truncate(size))
	}
	return n, errors.Join(err, out.Close())
}

// checkWritable returns an error unless the file can be written.
func (f *file) checkWritable() error {
	out, _, err := f.open()
	if err != nil {
		return err
	}
	return out.Close()
}

func (f *file) open() (*os.File, int64, error) {
	out, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, out.Close())
	}
	return out, info.Size(), nil
}

// rotate renames each file to the next number and opens a new one. An interruption loses
// nothing more than the oldest file, which the first rename replaces.
func (f *file) rotate(old *os.File) (*os.File, int64, error) {
	if err := old.Close(); err != nil {
		return nil, 0, err
	}
	for i := f.keep; i > 0; i-- {
		err := os.Rename(f.older(i-1), f.older(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
	}
	return f.open()
}

func (f *file) older(i int) string {
	if i == 0 {
		return f.path
	}
	return fmt.Sprintf("%s.%d", f.path, i)
}
