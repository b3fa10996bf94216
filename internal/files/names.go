package files

import (
	"fmt"
	"path"
	"strings"

	"warren/internal/windowsname"
)

// CheckWindowsNames returns an error if a host on Windows cannot have the files of a
// manifest below a full path: Windows would open a device, write another file, or write two
// of the files into one.
func CheckWindowsNames(m *Manifest, target string) error {
	if err := windowsname.CheckPath(target); err != nil {
		return err
	}
	seen := make(map[string]string, len(m.Entries))
	for i := range m.Entries {
		name := m.Entries[i].Name()
		if name == "." {
			continue
		}
		if err := windowsname.Check(path.Base(name)); err != nil {
			return err
		}
		folded := strings.ToLower(name)
		if other, ok := seen[folded]; ok {
			return fmt.Errorf("%q and %q are the same name on Windows", other, name)
		}
		seen[folded] = name
	}
	return nil
}

// IsDirectoryName reports whether a path on a host ends with a slash.
func IsDirectoryName(p string) bool {
	return strings.HasSuffix(p, "/") || windowsname.IsFull(p) && strings.HasSuffix(p, `\`)
}
