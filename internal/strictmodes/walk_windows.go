package strictmodes

import (
	"io/fs"
	"os"
)

// Stat is os.Stat. On Windows access control lists decide who may write, and no
// function here checks them.
func Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// StatParent is Stat.
func StatParent(dir string) (fs.FileInfo, error) { return os.Stat(dir) }

// CheckContent checks nothing.
func CheckContent(string, int) error { return nil }

func check(string, fs.FileInfo) error { return nil }

func open(path string) (*os.File, error) { return os.Open(path) }
