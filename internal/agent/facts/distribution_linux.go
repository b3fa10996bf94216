package facts

import (
	"os"
	"strconv"
	"strings"
)

// distribution returns ID and VERSION_ID of os-release(5), which the
// distributions themselves have agreed upon. gopsutil starts lsb_release where
// that is installed, and on Debian makes point releases of the version.
func distribution() (id, version string) {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := os.ReadFile(file); err == nil {
			return osRelease(string(text))
		}
	}
	return "", ""
}

func osRelease(text string) (id, version string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "ID":
			id = unquote(value)
		case "VERSION_ID":
			version = unquote(value)
		}
	}
	return id, version
}

// unquote undoes the quoting of a shell, as far as os-release(5) permits it.
func unquote(value string) string {
	if text, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
		return text
	}
	return strings.Trim(value, `'"`)
}
