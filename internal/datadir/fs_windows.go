package datadir

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// networkFS returns the network drive or share that dir is on, or "".
func networkFS(dir string) string {
	volume := filepath.VolumeName(dir)
	if isShare(volume) {
		return volume
	}
	root, err := windows.UTF16PtrFromString(volume + `\`)
	if err != nil || windows.GetDriveType(root) != windows.DRIVE_REMOTE {
		return ""
	}
	return volume
}

// isShare reports whether a volume is a share: \\HOST\SHARE, or \\?\UNC\HOST\SHARE.
func isShare(volume string) bool {
	volume = strings.ToUpper(filepath.FromSlash(volume))
	if rest, ok := strings.CutPrefix(volume, `\\?\`); ok {
		return rest == "UNC" || strings.HasPrefix(rest, `UNC\`)
	}
	return strings.HasPrefix(volume, `\\`) && !strings.HasPrefix(volume, `\\.\`)
}
