package results

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"warren/internal/datadir"
)

// A lease shows other processes that this one lives: a locked file, whose name
// the tasks that it drives bear. The kernel frees it however the process ends.
type lease struct {
	name string
	path string
	lock *datadir.Lock
}

// takeLease makes this process's lease, and removes those that dead processes
// have left. The caller holds the lock of all that open: between making a file
// and locking it, another would take it for a dead one's.
func takeLease(dir string) (*lease, error) {
	dir = filepath.Join(dir, "drivers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	if err != nil {
		return nil, err
	}
	for _, path := range old {
		live(path)
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
	_ = os.Remove(l.path)  // another process may have been quicker
	return err
}

// live reports whether a lease is held, and removes it where not: a name is
// never used again.
func live(path string) bool {
	held, err := datadir.Held(path)
	if err != nil {
		return false // then at worst two ask the same agents
	}
	if !held {
		_ = os.Remove(path) // another process may have been quicker
	}
	return held
}
