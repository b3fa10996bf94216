package results

import (
	"errors"
	"fmt"
	"strings"

	"warren/internal/hint"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNoTask: no task has that id.
var ErrNoTask = errors.New("no such task")

// ErrBadID: that cannot be the beginning of a task's id.
var ErrBadID = errors.New("not a task id")

// ErrStopped: the store's Run has ended.
var ErrStopped = errors.New("the result store has stopped")

// An AmbiguousError says that several tasks begin with a prefix.
type AmbiguousError struct {
	Prefix string
	IDs    []string // newest first
}

func (e *AmbiguousError) Error() string {
	const shown = 5
	ids := e.IDs[:min(len(e.IDs), shown)]
	more := ""
	if n := len(e.IDs) - len(ids); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d tasks begin with %q: %s%s", len(e.IDs), e.Prefix, strings.Join(ids, ", "), more)
}

// ErrorHint implements hint.Hinter.
func (e *AmbiguousError) ErrorHint() string { return "give more characters of the id" }

func noTask(id string) error {
	return hint.Errorf("tasks lists them", "%w: %q", ErrNoTask, id)
}

// explain says what a failure of SQLite means for path, and what to do.
func explain(path string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the primary code: https://sqlite.org/rescode.html
	case sqlite3.SQLITE_FULL:
		return hint.Errorf("make room on it; what is not stored is asked for again", "result store %s: the disk is full: %w", path, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damaged(path, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return hint.Errorf("look for a stopped or hanging warren", "result store %s: another process has held it for too long: %w", path, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return hint.Errorf("mend the owner and mode of the file and its directory", "result store %s: %w", path, err)
	case sqlite3.SQLITE_IOERR:
		return hint.Errorf("look at the disk of that directory: room, quota, errors", "result store %s: %w", path, err)
	}
	return fmt.Errorf("result store %s: %w", path, err)
}

func damaged(path string, err error) error {
	return hint.Errorf("move it away, with its -wal and -shm files, and a new one is made; "+
		"`sqlite3 results.db .recover` may save what was in it", "result store %s is damaged: %w", path, err)
}
