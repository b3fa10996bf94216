package datadir

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// networkFS names the network drive or share that dir is on, or returns "".
func networkFS(dir string) string {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil || windows.GetDriveType(root) != windows.DRIVE_REMOTE {
		return ""
	}
	return filepath.VolumeName(dir)
}
