// Package scriptfile writes the scripts of jobs to files.
package scriptfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"warren/internal/agent/process"
	"warren/internal/strictmodes"
)

// Write writes a script to a file that only its user can read. Only the agent's user can enter
// the data directory, so the script of another user is written to a directory of its own for
// temporary files, which that user can enter but not list.
func Write(dataDir string, script process.Script, u *process.User, isAgent bool) (path string, remove func(), err error) {
	if isAgent {
		path, err = write(dataDir, script, u)
		return path, func() { os.Remove(path) }, err
	}
	dir, err := os.MkdirTemp("", "warren-script-")
	if err != nil {
		return "", nil, err
	}
	if err = os.Chmod(dir, 0o711); err == nil {
		_, err = strictmodes.Stat(dir) // otherwise others could replace the script
	}
	if err == nil {
		path, err = write(dir, script, u)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() { os.RemoveAll(dir) }, nil
}

// Sweep removes the scripts that an agent which was killed has left in the data directory.
func Sweep(dir string) {
	left, _ := fs.Glob(os.DirFS(dir), pattern) // the pattern is right
	for _, name := range left {
		_ = os.Remove(filepath.Join(dir, name)) // if it stays, it only takes space
	}
}

const pattern = "warren-script-*"

func write(dir string, script process.Script, u *process.User) (string, error) {
	// A child that is forked at this time would have the file open for writing, and the
	// kernel would not execute the file (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(dir, pattern+script.Extension)
	if err != nil {
		return "", err
	}
	_, err = f.Write(script.Content)
	if err == nil {
		err = f.Chmod(0o700)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = u.Chown(f.Name())
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}
