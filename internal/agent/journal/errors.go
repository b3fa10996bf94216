package journal

import (
	"errors"
	"fmt"

	"warren/internal/datadir"
	"warren/internal/hint"
)

// ErrDamaged means that synced data is broken.
var ErrDamaged = errors.New("the journal is damaged")

// ErrLocked means that another process uses the data directory.
var ErrLocked = errors.New("another agent uses this data directory")

// ErrFull means that there is no space on the disk, or in the quota.
var ErrFull = errors.New("the disk is full")

// ErrTooLarge means that a record is longer than MaxRecord.
var ErrTooLarge = errors.New("the record is too large for the journal")

// ErrStopped means that Run has ended.
var ErrStopped = errors.New("the journal has stopped")

// A DamagedError says where the journal is broken. It is ErrDamaged.
type DamagedError struct {
	Path   string
	Offset int64 // of the first broken byte
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal %s is damaged at byte %d: %s", e.Path, e.Offset, e.Reason)
}

// ErrorHint implements hint.Hinter.
func (e *DamagedError) ErrorHint() string {
	return "find the cause (disk, file system, another program); " +
		"then --reset-journal moves it aside and creates a new one, which refuses all earlier requests"
}

// Is makes it ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// explain adds to a failure of the file what it means and what to do.
func explain(path, doing string, err error) error {
	if isFull(err) {
		return hint.Errorf("free space on this disk or raise the quota; the journal continues by itself",
			"journal %s: %w: %s: %w", path, ErrFull, doing, err)
	}
	if datadir.IsReadOnly(err) {
		return hint.Errorf("mount it writable again (after a disk error the kernel may have made it read-only: see its log); the journal continues by itself",
			"journal %s: the file system is read-only: %s: %w", path, doing, err)
	}
	return hint.Errorf("check the disk of this directory", "journal %s: %s: %w", path, doing, err)
}

func isFull(err error) bool { return datadir.IsFull(err) || datadir.IsOverQuota(err) }

// fatal explains an error after which the state of the file is unknown.
func fatal(path, doing string, err error) error {
	return hint.Errorf("the content of the disk is unknown (the kernel may have dropped what it could not write): check the disk, then start the agent again",
		"journal %s: %s: %w", path, doing, err)
}
