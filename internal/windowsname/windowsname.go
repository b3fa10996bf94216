// Package windowsname knows which names of files Windows permits
// (https://learn.microsoft.com/windows/win32/fileio/naming-a-file). It works the same on
// every system: operators on Linux check names for hosts on Windows.
package windowsname

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// devices are reserved, in any case and whatever follows a dot.
var devices = map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true, "CONIN$": true, "CONOUT$": true}

// IsReserved reports whether Windows reserves a name for a device, as NUL and com1.txt.
func IsReserved(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	port, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(stem, "LPT")
	}
	return devices[stem] || isPort && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

// Check returns an error if a file cannot have the name: one element of a path.
func Check(name string) error {
	switch i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`<>:"/\|?*`, r) }); {
	case name == "":
		return errors.New("the name is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %q is not UTF-8, which Windows needs", name)
	case i >= 0:
		return fmt.Errorf("the name %q has %q, which Windows does not permit", name, name[i])
	case strings.HasSuffix(name, "."), strings.HasSuffix(name, " "):
		return fmt.Errorf("the name %q ends with a dot or a space, which Windows removes", name)
	case IsReserved(name):
		return fmt.Errorf("the name %q is reserved for a device on Windows", name)
	}
	return nil
}

// IsFull reports whether a path is a full path of Windows: of a drive, as C:\app, or of a
// share, as \\server\share\app.
func IsFull(path string) bool {
	return len(path) > 2 && path[1] == ':' && isSeparator(path[2]) || strings.HasPrefix(path, `\\`)
}

// CheckPath checks each name of a full path of Windows.
func CheckPath(path string) error {
	if err := CheckPrefix(path); err != nil {
		return err
	}
	rest := path
	if len(path) > 1 && path[1] == ':' {
		rest = path[2:]
	}
	for name := range names(rest) {
		if name == "." || name == ".." {
			continue
		}
		if err := Check(name); err != nil {
			return err
		}
	}
	return nil
}

// CheckPrefix refuses a path that Windows takes as it is or for that of a device: one that begins
// with \\?\ or \\.\.
func CheckPrefix(path string) error {
	if p := strings.ReplaceAll(path, "/", `\`); strings.HasPrefix(p, `\\?\`) || strings.HasPrefix(p, `\\.\`) {
		return fmt.Errorf("%q is not a usual path: leave out %q", path, path[:4])
	}
	return nil
}

// HasDevice reports whether a name in a path is reserved for a device.
func HasDevice(path string) bool {
	for name := range names(path) {
		if IsReserved(name) {
			return true
		}
	}
	return false
}

// names returns the names in a path.
func names(path string) iter.Seq[string] {
	return strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' })
}

func isSeparator(c byte) bool { return c == '/' || c == '\\' }
