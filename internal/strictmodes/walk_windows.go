package strictmodes

import (
	"io/fs"
	"os"
)

// Stat describes what a path names. Nothing is checked here, nor by the functions
// below: who may write is said by access control lists.
func Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// StatParent is Stat.
func StatParent(dir string) (fs.FileInfo, error) { return os.Stat(dir) }

// CheckContent passes.
func CheckContent(string, int) error { return nil }

func check(string, fs.FileInfo) error { return nil }

func open(path string) (*os.File, error) { return os.Open(path) }
