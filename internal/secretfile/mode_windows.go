package secretfile

import (
	"io/fs"
	"os"
)

func open(path string) (*os.File, error) { return os.Open(path) }

// Exposed knows nothing of access control lists.
func Exposed(fs.FileInfo) string { return "" }

// Mine knows nothing of them either.
func Mine(fs.FileInfo) bool { return true }
