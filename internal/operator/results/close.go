package results

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"warren/internal/datadir"
)

// closeTimeout is how long Close waits for processes that open or close the same store.
// Each takes milliseconds, and a process that was asked to leave must.
const closeTimeout = 2 * time.Second

// Close releases the lease and closes the files, after Run has returned. It moves the
// write-ahead log into results.db and syncs that. The last process that has the store open
// also removes the log, so that results.db alone is the whole store.
func (s *Store) Close() error {
	var errs []error
	if s.lease != nil {
		errs = append(errs, s.lease.release())
	}
	// SQLite removes the log with the last connection. Two processes that close at the
	// same moment would each see the other's connection and leave the log behind.
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if lock, err := lockOpen(ctx, s.dir); err == nil {
		defer func() { _ = lock.Unlock() }() // it fails only if the lock is not held
	} // else at worst the next process removes the log

	if s.Reader != nil {
		errs = append(errs, s.Reader.Close())
	}
	if s.writer != nil { // closes last, since it reports what fails
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// lockOpen locks out other processes that open or close the store in a directory.
func lockOpen(ctx context.Context, dir string) (*datadir.Lock, error) {
	return datadir.Acquire(ctx, filepath.Join(dir, "open.lock"))
}
