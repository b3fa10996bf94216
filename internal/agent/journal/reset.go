package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"warren/internal/hint"
)

// Reset renames the journal in dir, whatever its content, so that Open creates a new one. It
// returns the new path; "" if there was no journal.
func Reset(dir string) (aside string, err error) {
	lock, err := acquire(dir)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }() // it fails only if the lock is not held
	d := osDir(dir)
	path := d.Path(fileName)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	aside, err = free(path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z"))
	if err == nil {
		err = os.Rename(path, aside)
	}
	if err == nil {
		err = d.Sync()
	}
	if err != nil {
		return "", hint.Errorf("check the owner, the mode and the disk of the directory",
			"journal %s cannot be moved aside: %w", path, err)
	}
	return aside, nil
}

// free returns the path, with a number appended if it exists.
func free(path string) (string, error) {
	try := path
	for n := 2; ; n++ {
		_, err := os.Lstat(try)
		if errors.Is(err, fs.ErrNotExist) {
			return try, nil
		}
		if err != nil {
			return "", err
		}
		try = fmt.Sprintf("%s-%d", path, n)
	}
}
