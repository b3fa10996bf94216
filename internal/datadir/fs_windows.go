package datadir

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// networkFS returns the network drive or share that dir is on, or "".
func networkFS(dir string) string {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil || windows.GetDriveType(root) != windows.DRIVE_REMOTE {
		return ""
	}
	return filepath.VolumeName(dir)
}
