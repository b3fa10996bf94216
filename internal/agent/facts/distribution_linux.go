package facts

import (
	"os"
	"strconv"
	"strings"
)

// distribution returns ID and VERSION_ID of os-release(5), the common format of the
// distributions. gopsutil would start lsb_release where it is installed, and on Debian
// would return point releases as the version.
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

// unquote removes shell quotes, as far as os-release(5) permits them.
func unquote(value string) string {
	if text, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
		return text
	}
	return strings.Trim(value, `'"`)
}
