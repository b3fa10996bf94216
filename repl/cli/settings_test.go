package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// On Windows, only files in the operator's directories are read.
func TestClusterShellFiles(t *testing.T) {
	t.Setenv("CLUSTERSHELL_CFGDIR", "")
	own := full("/home/ann/.config/warren/groups.yaml")
	const system = "/etc/clustershell/groups.conf"
	if files := clusterShellFiles("linux", own); files[len(files)-1] != system {
		t.Errorf("Linux: %q", files)
	}
	files := clusterShellFiles("windows", own)
	if files[0] != filepath.FromSlash(full("/home/ann/.config/clustershell/groups.conf")) || slices.Contains(files, system) {
		t.Errorf("Windows: %q", files)
	}
}

// Groups of another file, and so other hosts, must not stand in for a file that cannot be read.
func TestUnreadableGroupsFileIsStillTheGroupsFile(t *testing.T) {
	t.Setenv("CLUSTERSHELL_CFGDIR", t.TempDir())
	write := func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	theirs := filepath.Join(os.Getenv("CLUSTERSHELL_CFGDIR"), "groups.conf")
	write(t, theirs)
	for name, tt := range map[string]struct {
		create func(t *testing.T, own string)
		want   string // "" is the operator's own file
	}{
		"absent": {func(*testing.T, string) {}, theirs},
		"a file": {write, ""},
		"in no directory": {func(t *testing.T, own string) {
			if err := os.Remove(filepath.Dir(own)); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Dir(own))
		}, theirs},
		"a dead link": {func(t *testing.T, own string) { link(t, filepath.Join(t.TempDir(), "none"), own) }, ""},
		"a circle":    {func(t *testing.T, own string) { link(t, own, own) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("XDG_CONFIG_HOME", dir)
			t.Setenv("AppData", dir)
			t.Setenv("HOME", dir)
			own := configPath("groups.yaml")
			if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
				t.Fatal(err)
			}
			tt.create(t, own)
			if tt.want == "" {
				tt.want = own
			}
			if got := groupsFile(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skip(err)
	}
}

// The help names the place where the file is.
func TestHelpPlace(t *testing.T) {
	for goos, want := range map[string]string{
		"linux":   "~/.config/warren/config.toml",
		"darwin":  "~/Library/Application Support/warren/config.toml",
		"windows": `%AppData%\warren\config.toml`,
	} {
		got := helpPlace(goos, "config.toml")
		if got != want {
			t.Errorf("%s: %q, want %q", goos, got, want)
		}
		env := func(name string) string { return map[string]string{"AppData": full("/roaming")}[name] }
		home := func() (string, error) { return full("/home"), nil }
		path := strings.NewReplacer("~", full("/home"), "%AppData%", full("/roaming"), `\`, "/").Replace(got)
		if path != filepath.ToSlash(filepath.Join(configDir(goos, env, home), "config.toml")) {
			t.Errorf("%s: the help names %q, the file is in %q", goos, path, configDir(goos, env, home))
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
