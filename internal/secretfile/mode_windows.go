package secretfile

import (
	"io/fs"
	"os"
)

func open(path string) (*os.File, error) { return os.Open(path) }

// Exposed returns "": access control lists are not checked.
func Exposed(fs.FileInfo) string { return "" }

// Mine returns true: access control lists are not checked.
func Mine(fs.FileInfo) bool { return true }
