package cli

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestConfigDir(t *testing.T) {
	for name, c := range map[string]struct {
		goos string
		env  map[string]string
		home string
		want string
	}{
		"Linux":              {"linux", nil, "/home/ann", "/home/ann/.config/warren"},
		"Linux with XDG":     {"linux", map[string]string{"XDG_CONFIG_HOME": full("/x")}, "/home/ann", full("/x/warren")},
		"relative":           {"linux", map[string]string{"XDG_CONFIG_HOME": "x"}, "/home/ann", "/home/ann/.config/warren"},
		"macOS":              {"darwin", nil, "/Users/ann", "/Users/ann/Library/Application Support/warren"},
		"macOS with XDG":     {"darwin", map[string]string{"XDG_CONFIG_HOME": full("/x")}, "/Users/ann", full("/x/warren")},
		"Windows":            {"windows", map[string]string{"AppData": "/c/roaming", "XDG_CONFIG_HOME": full("/x")}, "/c", "/c/roaming/warren"},
		"Windows without it": {"windows", nil, "/c", ""},
		"no home":            {"linux", nil, "", ""},
	} {
		home := func() (string, error) {
			if c.home == "" {
				return "", errors.New("HOME is not set")
			}
			return c.home, nil
		}
		if got := configDir(c.goos, func(name string) string { return c.env[name] }, home); got != filepath.FromSlash(c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// full returns a path that is full on this system.
func full(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return "C:" + path
}
