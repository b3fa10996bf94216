package journal

import (
	"errors"
	"fmt"

	"warren/internal/datadir"
	"warren/internal/hint"
)

// ErrDamaged: the journal is broken where it had been whole.
var ErrDamaged = errors.New("the journal is damaged")

// ErrLocked: another process has the data directory.
var ErrLocked = errors.New("another agent uses this data directory")

// ErrFull: no room on the disk, or in the quota.
var ErrFull = errors.New("the disk is full")

// ErrTooLarge: a record is longer than MaxRecord.
var ErrTooLarge = errors.New("the record is too large for the journal")

// ErrStopped: Run has ended.
var ErrStopped = errors.New("the journal has stopped")

// A DamagedError says where the journal is broken. It is ErrDamaged.
type DamagedError struct {
	Path   string
	Offset int64 // of the first byte that cannot be relied on
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal %s is damaged at byte %d: %s", e.Path, e.Offset, e.Reason)
}

// ErrorHint implements hint.Hinter.
func (e *DamagedError) ErrorHint() string {
	return "look for the cause (disk, file system, another program); " +
		"--reset-journal then moves it aside and makes a new one, which refuses whatever was issued before"
}

// Is makes it ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// explain says what a failure of the file means, and what to do.
func explain(path, doing string, err error) error {
	if isFull(err) {
		return hint.Errorf("make room on that disk or raise the quota; the journal goes on as soon as there is some",
			"journal %s: %w: %s: %w", path, ErrFull, doing, err)
	}
	if datadir.IsReadOnly(err) {
		return hint.Errorf("mount it writable again (a kernel that met an error on the disk may have made it read-only: look at its log); the journal goes on as soon as it can be written",
			"journal %s: the file system is read-only: %s: %w", path, doing, err)
	}
	return hint.Errorf("look at the disk of that directory", "journal %s: %s: %w", path, doing, err)
}

func isFull(err error) bool { return datadir.IsFull(err) || datadir.IsOverQuota(err) }

// fatal is an explanation after which the file's state is not known.
func fatal(path, doing string, err error) error {
	return hint.Errorf("what the disk holds is not known any more (the kernel may have dropped what it could not write): look at the disk, then start the agent again, which reads the journal anew",
		"journal %s: %s: %w", path, doing, err)
}
