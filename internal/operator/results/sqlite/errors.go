package sqlite

import (
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"warren/internal/hint"
)

// ErrNoTask says that no task has an id.
var ErrNoTask = errors.New("no such task")

// ErrBadID says that a text cannot be the beginning of a task's id.
var ErrBadID = errors.New("not a task id")

// An AmbiguousError says that the ids of several tasks begin with a prefix.
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

// Explain says what a failure of SQLite means for the file at path, and what to do. It
// returns other errors as they are.
func Explain(path string, err error) error {
	switch sqlite.ErrCode(err).ToPrimary() { // https://sqlite.org/rescode.html
	case sqlite.ResultOK, sqlite.ResultError: // the latter is also the code of other errors
		return err
	case sqlite.ResultFull:
		return hint.Errorf("free some space; Warren asks again for results that are not stored", "result store %s: the disk is full: %w", path, err)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return damaged(path, err)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return hint.Errorf("look for a stopped or hanging warren", "result store %s: another process has locked it for too long: %w", path, err)
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultCantOpen, sqlite.ResultAuth:
		return hint.Errorf("correct the owner and mode of the file and its directory", "result store %s: %w", path, err)
	case sqlite.ResultIOErr:
		return hint.Errorf("look at the disk of that directory: space, quota, errors", "result store %s: %w", path, err)
	}
	return fmt.Errorf("result store %s: %w", path, err)
}

func damaged(path string, err error) error {
	return hint.Errorf("move it away, with its -wal and -shm files, and Warren creates a new one; "+
		"`sqlite3 results.db .recover` may save its contents", "result store %s is damaged: %w", path, err)
}
