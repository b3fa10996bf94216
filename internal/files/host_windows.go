package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const (
	canSyncDirectory  = false
	canSyncFileSystem = false
)

// An owner cannot be set on Windows.
type owner struct{}

func lookupOwner(text string) (owner, error) {
	if text != "" {
		return owner{}, errors.New("--owner is not supported on Windows")
	}
	return owner{}, nil
}

func (owner) isOf(fs.FileInfo) bool               { return true }
func (owner) set(*os.File, fs.FileInfo) error     { return nil }
func (owner) setLink(*os.Root, string) error      { return nil }
func sameMode(fs.FileInfo, int64) bool            { return true }
func setMode(*os.File, int64) error               { return nil } // a mode without w would make it read-only
func syncFileSystem(*os.Root) error               { return nil }
func copyLabels(*os.Root, string, *os.File) error { return nil }

// freeSpace returns how many bytes the volume of the root has for this user.
func freeSpace(root *os.Root) (int64, bool) {
	name, err := windows.UTF16PtrFromString(root.Name())
	if err != nil {
		return 0, false
	}
	var free uint64
	if windows.GetDiskFreeSpaceEx(name, &free, nil, nil) != nil {
		return 0, false
	}
	return int64(min(free, 1<<62)), true
}
