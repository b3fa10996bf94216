package journal

import (
	"errors"
	"os"
)

// Replace closes both files first, since Windows cannot rename open files.
func (d osDir) Replace(made file, from, to string, old file) (file, error) {
	err := made.Close()
	if err != nil {
		return old, err
	}
	if old != nil {
		err = old.Close()
	}
	if err == nil {
		err = os.Rename(d.Path(from), d.Path(to))
	}
	if err != nil && old == nil {
		return nil, err
	}
	open, openErr := d.Open(to)
	return open, errors.Join(err, openErr)
}

// Sync does nothing: NTFS has a log for names, and a directory cannot be flushed.
func (d osDir) Sync() error { return nil }
