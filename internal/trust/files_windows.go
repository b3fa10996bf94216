package trust

import (
	"io/fs"
	"os"
	"time"
)

// stamp tells a file from a later one of the same name.
type stamp struct {
	never   bool
	size    int64
	mode    fs.FileMode
	written time.Time
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{size: info.Size(), mode: info.Mode(), written: info.ModTime()}
}

func open(path string) (*os.File, error) { return os.Open(path) }

// checkPath and checkOwner look at nothing: who may write a file is said by its
// access control list, which the directory that it lies in hands down.
// docs/security.md says how to make such a directory.
func checkPath(string) error       { return nil }
func checkOwner(fs.FileInfo) error { return nil }
