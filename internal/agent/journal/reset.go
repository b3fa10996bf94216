package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"warren/internal/hint"
)

// Reset moves the journal of dir aside, whatever it holds, so that Open makes a
// new one. It returns the path that it has now; "" where there was none.
func Reset(dir string) (aside string, err error) {
	lock, err := acquire(dir)
	if err != nil {
		return "", err
	}
	defer lock.Unlock() // an error would say that it is not held
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
		return "", hint.Errorf("look at the directory's owner and mode, and at its disk",
			"journal %s cannot be moved aside: %w", path, err)
	}
	return aside, nil
}

// free returns the path, with a number behind it where it is taken.
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
