// Package datadir prepares the directory that holds a program's state, and
// locks files in it between processes. It keeps nothing in memory, starts
// nothing and sends to nobody; a Lock is the one thing that lasts, until Unlock
// or the end of the process.
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

// Default is the operator's data directory: $XDG_DATA_HOME/warren, or
// ~/.local/share/warren (XDG Base Directory Specification, which has a relative
// $XDG_DATA_HOME ignored); on Windows %LocalAppData%\warren.
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
	return filepath.Join(dir, ".local", "share", "warren"), nil
}

// Prepare makes dir fit for use: it creates it with its parents where absent,
// with mode 0700, and returns an error with a hint where it is no directory,
// cannot be written, or lies on a network file system, where neither file
// locks nor SQLite's WAL can be relied on (https://sqlite.org/wal.html). The
// mode of a directory that exists is left as it is: what Warren writes in it
// has mode 0600.
func Prepare(dir string) error { return prepare(dir, func(string) error { return nil }) }

// contentDepth is how far down Warren makes directories in a data directory.
const contentDepth = 1

// PrepareStrict is Prepare for an agent, which does what the files in dir say. It
// also refuses a directory that others could write, or that leads through one of
// theirs, and one in which there is a file that others could have written.
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

// prepare has the nearest directory that exists checked before it makes any.
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
	// Asked of what exists, so that a refusal leaves nothing behind.
	if kind := networkFS(base); kind != "" {
		return hint.Errorf("choose a local directory, with --data-dir or WARREN_DATA_DIR",
			"data directory %s is on a network file system (%s), where file locks and SQLite's WAL fail", dir, kind)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return hint.Errorf(remedy(err), "data directory: %w", err)
	}
	if err := writable(dir); err != nil {
		return hint.Errorf(remedy(err), "data directory %s cannot be written: %w", dir, err)
	}
	return nil
}

// existing returns the nearest of dir and its parents that exists, which must
// be a directory.
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

// writable tries it, since mode bits say little to root, ACLs, quotas and
// read-only mounts.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			return p.Err // without the probe's name, which would only puzzle
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// remedy is what to do about a directory that cannot be used.
func remedy(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "choose a directory that you may write, with --data-dir or WARREN_DATA_DIR, or mend its owner and mode"
	}
	return "choose another directory, with --data-dir or WARREN_DATA_DIR"
}
