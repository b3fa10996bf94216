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

// lockPoll is how often Acquire asks: the kernel's own waiting cannot be ended
// by a context.
const lockPoll = 5 * time.Millisecond

// A Lock is a held lock of a file. It ends with Unlock, or with the process,
// however that ends.
type Lock struct{ f *flock.Flock }

// Acquire waits until it holds the exclusive lock of the file, which it creates
// with mode 0600.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	f := flock.New(path)
	if _, err := f.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Try takes the exclusive lock of the file, which it creates with mode 0600, or
// returns nil without error where another holds it.
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

// Held reports whether somebody holds the exclusive lock of the file. It
// creates nothing: a file that is not there is not held. Several may ask at
// the same time, but while they ask, Try finds the file held.
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

// Unlock gives the lock up; the file stays.
func (l *Lock) Unlock() error { return l.f.Unlock() }
