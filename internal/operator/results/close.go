package results

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"warren/internal/datadir"
	"warren/internal/hint"
)

// closeTimeout is how long Close waits for processes that open or close the same
// store. Each takes milliseconds, and a process that was asked to leave must.
const closeTimeout = 2 * time.Second

// Close releases the lease and closes the files, after Run has returned. It moves
// the write-ahead log into results.db and syncs that. The last process that has the
// store open also removes the log, so that results.db alone is the whole store.
func (s *Store) Close() error {
	var errs []error
	if s.lease != nil {
		errs = append(errs, s.lease.release())
	}
	// SQLite removes the log with the last connection. Two processes that close at the
	// same moment would each see the other's connection and leave the log behind.
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if lock, err := s.lockOpen(ctx); err == nil {
		defer lock.Unlock() // an error would say that it is not held
	} // else at worst the next process removes the log

	if s.writer == nil {
		return errors.Join(append(errs, s.closeReader())...)
	}
	// The writer closes last: a connection that only reads does not remove the log.
	errs = append(errs, s.closeReader(), s.moveLog(), s.conn.Close(), s.writer.Close())
	return errors.Join(errs...)
}

func (s *Store) closeReader() error {
	if s.reader == nil {
		return nil
	}
	return s.reader.Close()
}

// lockOpen locks out other processes that open or close the store.
func (s *Store) lockOpen(ctx context.Context) (*datadir.Lock, error) {
	return datadir.Acquire(ctx, filepath.Join(s.dir, "open.lock"))
}

// moveLog moves the write-ahead log into the database and syncs it. SQLite does the
// same when the last connection closes, but does not report errors there. Where
// another process reads at that moment, the rest of the log is left to that process.
func (s *Store) moveLog() error {
	ctx := context.Background()
	_, err := s.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0")
	if err == nil {
		var busy, pages, moved int
		err = s.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	}
	var e *sqlite.Error
	if err == nil || errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return nil
	}
	return explainLog(s.path, err)
}

// explainLog says what it means that the write-ahead log could not be moved.
func explainLog(path string, err error) error {
	what := "cannot complete the file"
	if full(err) {
		what = "the disk is full"
	}
	return hint.Errorf(fmt.Sprintf("nothing is lost: the newest results are in %s-wal, "+
		"and the next warren command moves them once the disk takes them", filepath.Base(path)), "result store %s: %s: %w", path, what, err)
}

// full reports whether the disk has no room, as SQLite says.
func full(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}
