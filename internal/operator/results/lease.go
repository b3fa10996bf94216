package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"warren/internal/datadir"
)

// A lease shows other processes that this one lives: a locked file whose name is the Driver
// of its tasks. The kernel unlocks the file when the process ends, in whatever way.
type lease struct {
	name string
	path string
	lock *datadir.Lock
}

// takeLease creates this process's lease, and removes those that dead processes have left.
// The caller holds the lock of Open: another process would remove a file that is created
// and not locked yet.
func takeLease(dir string) (*lease, error) {
	dir = filepath.Join(dir, "drivers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	old, err := fs.Glob(os.DirFS(dir), "*.lock") // in any directory, whatever its name
	if err != nil {
		return nil, err
	}
	for _, name := range old {
		live(filepath.Join(dir, name))
	}
	l := &lease{name: uuid.NewString()}
	l.path = leasePath(dir, l.name)
	if l.lock, err = datadir.Try(l.path); err != nil {
		return nil, err
	}
	if l.lock == nil {
		return nil, errors.New(l.path + " is locked by another process, though its name is new")
	}
	return l, nil
}

func leasePath(drivers, name string) string { return filepath.Join(drivers, name+".lock") }

func (l *lease) release() error {
	err := l.lock.Unlock() // first: Windows removes no open file
	_ = os.Remove(l.path)  // another process may have removed it
	return err
}

// live reports whether a lease is held, and removes it if it is not: a name is never used
// again.
func live(path string) bool {
	held, err := datadir.Held(path)
	if err != nil {
		return false // at worst two processes ask the same agents
	}
	if !held {
		_ = os.Remove(path) // another process may have removed it
	}
	return held
}
