package broker

import (
	"io/fs"
	"os"
)

func open(path string) (*os.File, error) { return os.Open(path) }

// private knows nothing of access control lists.
func private(fs.FileInfo) string { return "" }
