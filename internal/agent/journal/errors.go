package journal

import (
	"errors"
	"fmt"

	"warren/internal/datadir"
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
	return fmt.Sprintf("journal %s is damaged at byte %d: %s\nhint: look for the cause (disk, file system, another program); "+
		"--reset-journal then moves it aside and makes a new one, which refuses whatever was issued before", e.Path, e.Offset, e.Reason)
}

// Is makes it ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// explain says what a failure of the file means, and what to do.
func explain(path, doing string, err error) error {
	if isFull(err) {
		return fmt.Errorf("journal %s: %w: %s: %w\nhint: make room on that disk or raise the quota; the journal goes on as soon as there is some", path, ErrFull, doing, err)
	}
	if datadir.IsReadOnly(err) {
		return fmt.Errorf("journal %s: the file system is read-only: %s: %w\nhint: mount it writable again (a kernel that met an error on the disk "+
			"may have made it read-only: look at its log); the journal goes on as soon as it can be written", path, doing, err)
	}
	return fmt.Errorf("journal %s: %s: %w\nhint: look at the disk of that directory", path, doing, err)
}

func isFull(err error) bool { return datadir.IsFull(err) || datadir.IsOverQuota(err) }

// fatal is an explanation after which the file's state is not known.
func fatal(path, doing string, err error) error {
	return fmt.Errorf("journal %s: %s: %w\nhint: what the disk holds is not known any more (the kernel may have dropped what it could not write): "+
		"look at the disk, then start the agent again, which reads the journal anew", path, doing, err)
}
