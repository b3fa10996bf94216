package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"warren/internal/acl"
)

// MakeAll creates dir and its missing parents, for this user alone.
func MakeAll(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := MakeAll(parent); err != nil {
			return err
		}
	}
	if err := acl.MakeDir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
