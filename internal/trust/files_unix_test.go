//go:build unix

package trust

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The rules of sshd's StrictModes.
func TestOwnerAndMode(t *testing.T) {
	key := line("", newKey(t, "ed25519").PublicKey(), "")
	root := os.Geteuid() == 0
	for name, c := range map[string]struct {
		edit func(dir, file string)
		want string // empty: it passes
		root bool   // only root can set it up
	}{
		"0600":                    {edit: func(_, f string) { os.Chmod(f, 0o600) }},
		"0644":                    {edit: func(_, f string) { os.Chmod(f, 0o644) }},
		"group writes":            {edit: func(_, f string) { os.Chmod(f, 0o664) }, want: "mode 0664"},
		"others write":            {edit: func(_, f string) { os.Chmod(f, 0o602) }, want: "mode 0602"},
		"directory, group writes": {edit: func(d, _ string) { os.Chmod(d, 0o770) }, want: "directory"},
		"directory, sticky":       {edit: func(d, _ string) { os.Chmod(d, 0o777|os.ModeSticky) }, want: "directory"},
		"further up":              {edit: func(d, _ string) { os.Chmod(filepath.Dir(d), 0o777) }, want: "directory"},
		"further up, sticky":      {edit: func(d, _ string) { os.Chmod(filepath.Dir(d), 0o777|os.ModeSticky) }},
		"another's":               {edit: func(_, f string) { os.Chown(f, 12345, 0) }, want: "user id 12345", root: true},
		"another's directory":     {edit: func(d, _ string) { os.Chown(d, 12345, 0) }, want: "user id 12345", root: true},
		"another's, further up":   {edit: func(d, _ string) { os.Chown(filepath.Dir(d), 12345, 0) }, want: "user id 12345", root: true},
		"a pipe":                  {edit: func(_, f string) { os.Remove(f); syscall.Mkfifo(f, 0o600) }, want: "not a regular file"},
		"a link to a good one":    {edit: func(d, f string) { os.Rename(f, f+".real"); os.Symlink(f+".real", f) }},
		"a link into a bad place": {edit: func(d, f string) {
			bad := filepath.Join(d, "bad")
			os.Mkdir(bad, 0o700)
			os.Chmod(bad, 0o777)
			os.Rename(f, bad+"/f")
			os.Symlink(bad+"/f", f)
		}, want: "directory"},
		"a link out of a bad place": {edit: func(d, f string) {
			os.Rename(f, filepath.Dir(d)+"/f")
			os.Symlink(filepath.Dir(d)+"/f", f)
			os.Chmod(d, 0o777)
		}, want: "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && !root {
				t.Skip("needs root")
			}
			dir := filepath.Join(t.TempDir(), "etc")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := write(t, filepath.Join(dir, "authorized_operators"), key)
			c.edit(dir, file)
			_, err := Open(file, "", true, slog.New(slog.DiscardHandler))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
