// Package datadir prepares the directory that holds a program's state, and locks files
// in it between processes.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"warren/internal/hint"
	"warren/internal/strictmodes"
)

// Default returns the operator's data directory: $XDG_DATA_HOME/warren, or
// ~/.local/share/warren; on macOS ~/Library/Application Support/warren without the
// variable; on Windows %LocalAppData%\warren. As the XDG Base Directory Specification
// requires, it ignores a relative $XDG_DATA_HOME.
func Default() (string, error) { return defaultDir(runtime.GOOS, os.Getenv, os.UserHomeDir) }

func defaultDir(goos string, env func(string) string, home func() (string, error)) (string, error) {
	if goos == "windows" {
		if dir := env("LocalAppData"); dir != "" {
			return filepath.Join(dir, "warren"), nil
		}
		return "", hint.New("no data directory: %LocalAppData% is not set",
			"set WARREN_DATA_DIR")
	}
	if dir := env("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "warren"), nil
	}
	dir, err := home()
	if err != nil {
		return "", hint.Errorf("set HOME or WARREN_DATA_DIR", "no data directory: %w", err)
	}
	if goos == "darwin" {
		return filepath.Join(dir, "Library", "Application Support", "warren"), nil
	}
	return filepath.Join(dir, ".local", "share", "warren"), nil
}

// Prepare creates dir and its parents for this user alone if they do not exist. It returns
// an error with a hint if dir is not a directory, is not writable, or is on a network
// file system, where file locks and SQLite's WAL are unreliable
// (https://sqlite.org/wal.html). It does not change the mode of an existing directory,
// because files that Warren writes there have mode 0600.
func Prepare(dir string) error { return prepare(dir, func(string) error { return nil }) }

// contentDepth is the depth of the directories that Warren creates in a data
// directory.
const contentDepth = 1

// PrepareStrict is Prepare for an agent, which acts on the files in dir. It also
// refuses a directory that other users could write, or that has such a directory in
// its path, and a directory with a file that other users could have written.
func PrepareStrict(dir string) error {
	err := prepare(dir, func(base string) error {
		check := strictmodes.StatParent
		if there, err := filepath.Abs(dir); err != nil || there == base {
			check = strictmodes.Stat
		}
		_, err := check(base)
		return err
	})
	if err != nil {
		return err
	}
	if _, err = strictmodes.Stat(dir); err == nil {
		err = strictmodes.CheckContent(dir, contentDepth)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	return nil
}

// prepare checks the nearest existing directory before it creates any.
func prepare(dir string, check func(base string) error) error {
	if dir == "" {
		return hint.New("the data directory has no name", "set WARREN_DATA_DIR")
	}
	base, err := existing(dir)
	if err != nil {
		return hint.Errorf(remedy(err), "data directory: %w", err)
	}
	if err := check(base); err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	// Check an existing directory, so that a refusal leaves nothing behind.
	if kind := networkFS(base); kind != "" {
		return hint.Errorf("choose a local directory, with --data-dir or WARREN_DATA_DIR",
			"data directory %s is on a network file system (%s), where file locks and SQLite's WAL fail", dir, kind)
	}
	if err := MakeAll(dir); err != nil {
		return hint.Errorf(remedy(err), "data directory: %w", err)
	}
	if err := isWritable(dir); err != nil {
		return hint.Errorf(remedy(err), "data directory %s cannot be written: %w", dir, err)
	}
	return nil
}

// existing returns the nearest of dir and its parents that exists. That must be a
// directory.
func existing(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", fmt.Errorf("%s is not a directory", dir)
		case !errors.Is(err, fs.ErrNotExist) && !below(err):
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", err
		}
		dir = parent
	}
}

// isWritable creates a file, because mode bits do not cover root, ACLs, quotas and
// read-only mounts.
func isWritable(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			return p.Err // omit the path of the temporary file
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// remedy returns the hint for a directory that cannot be used.
func remedy(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "choose a writable directory with --data-dir or WARREN_DATA_DIR, or fix its owner and permissions"
	}
	if IsFull(err) || IsOverQuota(err) {
		return "make room on its disk; df and df -i show what is used up"
	}
	return "choose another directory, with --data-dir or WARREN_DATA_DIR"
}

// IsDiskError reports whether err is about the disk, and not about a setting: it may be gone later.
func IsDiskError(err error) bool {
	return IsFull(err) || IsOverQuota(err) || IsReadOnly(err) || IsIOError(err)
}
