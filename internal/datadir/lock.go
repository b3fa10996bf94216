package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// lockPollInterval is how often Acquire tries: a context cannot end the kernel's
// blocking lock.
const lockPollInterval = 5 * time.Millisecond

// A Lock is a held file lock. It ends with Unlock or with the process.
type Lock struct{ f *flock.Flock }

// Acquire waits until it holds the exclusive lock of the file. It creates the file
// with mode 0600.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	f := flock.New(path)
	if _, err := f.TryLockContext(ctx, lockPollInterval); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Try takes the exclusive lock of the file, which it creates with mode 0600. It
// returns nil without an error if another process holds the lock.
func Try(path string) (*Lock, error) {
	f := flock.New(path)
	ok, err := f.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !ok {
		return nil, nil
	}
	return &Lock{f}, nil
}

// Held reports whether a process holds the exclusive lock of the file. It does not
// create the file: a missing file is not locked. While Held runs, Try may report the
// file as locked.
func Held(path string) (bool, error) {
	f := flock.New(path, flock.SetFlag(os.O_RDONLY))
	ok, err := f.TryRLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("lock %s: %w", path, err)
	case !ok:
		return true, nil
	}
	return false, f.Unlock()
}

// Unlock releases the lock and keeps the file.
func (l *Lock) Unlock() error { return l.f.Unlock() }
