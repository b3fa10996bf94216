//go:build unix

package trust

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// The files follow the rules of sshd's StrictModes.
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
			if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(dir, 0o700)); err != nil {
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

// While others may write a directory or the file, no new content applies and the old
// rights stay. After the mode is fixed, the content applies at once, without a signal.
func TestFixedModeAppliesAtOnce(t *testing.T) {
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	a, b := line("", alice.PublicKey(), "alice"), line("", bob.PublicKey(), "bob")
	for name, c := range map[string]struct {
		spoil, mend func(d *desk) error
		want        func(d *desk) wire.RefusedFile
	}{
		"directory": {
			spoil: func(d *desk) error { return os.Chmod(d.dir, 0o775) }, mend: func(d *desk) error { return os.Chmod(d.dir, 0o755) },
			want: func(d *desk) wire.RefusedFile { return wire.RefusedFile{Path: d.dir, Mode: 0o775} },
		},
		"directory above": {
			spoil: func(d *desk) error { return os.Chmod(filepath.Dir(d.dir), 0o777) }, mend: func(d *desk) error { return os.Chmod(filepath.Dir(d.dir), 0o755) },
			want: func(d *desk) wire.RefusedFile { return wire.RefusedFile{Path: filepath.Dir(d.dir), Mode: 0o777} },
		},
		"file": {
			spoil: func(d *desk) error { return os.Chmod(d.operators, 0o664) }, mend: func(d *desk) error { return os.Chmod(d.operators, 0o644) },
			want: func(d *desk) wire.RefusedFile { return wire.RefusedFile{Path: d.operators, Mode: 0o664} },
		},
	} {
		for _, edit := range []string{a, a + b, b, "", "oops\n"} { // while it is spoilt, or not at all
			t.Run(name, func(t *testing.T) {
				d := newDesk(t)
				write(t, d.operators, a+b)
				d.open()
				d.settle()
				if err := c.spoil(d); err != nil {
					t.Fatal(err)
				}
				d.want("spoilt", map[ssh.Signer]bool{alice: true, bob: true})
				write(t, d.operators, edit)
				d.want("spoilt and edited", map[ssh.Signer]bool{alice: true, bob: true})
				refused := c.want(d)
				refused.File, refused.Problem = wire.AuthorizedOperators, wire.FileMode
				d.wantRefused(refused)
				d.wantLog("hint=")
				if err := c.mend(d); err != nil {
					t.Fatal(err)
				}
				d.want("mended", map[ssh.Signer]bool{alice: strings.Contains(edit, a), bob: strings.Contains(edit, b)})
			})
		}
	}
}

// A missing file is treated as missing even if others could have removed it: nobody
// gains a right by that.
func TestMissingFileGivesNoRights(t *testing.T) {
	d := newDesk(t)
	alice := newKey(t, "ed25519")
	write(t, d.operators, line("", alice.PublicKey(), ""))
	d.open()
	if err := errors.Join(os.Chmod(d.dir, 0o777), os.Remove(d.operators)); err != nil {
		t.Fatal(err)
	}
	d.want("gone", map[ssh.Signer]bool{alice: false})
	write(t, d.operators, line("", alice.PublicKey(), ""))
	d.want("there again, and others may have put it there", map[ssh.Signer]bool{alice: false})
}

// A new file with the same name is detected at once, regardless of how it got there.
func TestReplacedFileIsDetected(t *testing.T) {
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	a, b := line("", alice.PublicKey(), "x"), line("", bob.PublicKey(), "x") // of one size
	ok := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	base := func(d *desk) string { return filepath.Dir(d.dir) }
	for name, c := range map[string]struct{ prepare, edit func(t *testing.T, d *desk) }{
		"renamed over it": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a) },
			edit:    func(t *testing.T, d *desk) { d.replace(d.operators, b) },
		},
		"renamed over it, with its times": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a); ok(os.Chtimes(d.operators, noon, noon)) },
			edit: func(t *testing.T, d *desk) {
				write(t, d.operators+".new", b)
				ok(os.Chtimes(d.operators+".new", noon, noon))
				ok(os.Rename(d.operators+".new", d.operators))
			},
		},
		"in place, with its times": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a); ok(os.Chtimes(d.operators, noon, noon)) },
			edit:    func(t *testing.T, d *desk) { write(t, d.operators, b); ok(os.Chtimes(d.operators, noon, noon)) },
		},
		"symbolic link": {
			prepare: func(t *testing.T, d *desk) {
				write(t, d.dir+"/one", a)
				write(t, d.dir+"/two", b)
				ok(os.Symlink("one", d.operators))
			},
			edit: func(t *testing.T, d *desk) { ok(os.Remove(d.operators)); ok(os.Symlink("two", d.operators)) },
		},
		"symbolic link of its directory": {
			prepare: func(t *testing.T, d *desk) {
				ok(os.Rename(d.dir, base(d)+"/one"))
				ok(os.Mkdir(base(d)+"/two", 0o700))
				write(t, base(d)+"/one/authorized_operators", a)
				write(t, base(d)+"/two/authorized_operators", b)
				ok(os.Symlink("one", d.dir))
			},
			edit: func(t *testing.T, d *desk) { ok(os.Remove(d.dir)); ok(os.Symlink("two", d.dir)) },
		},
		"by another hard link": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a); ok(os.Link(d.operators, base(d)+"/link")) },
			edit:    func(t *testing.T, d *desk) { write(t, base(d)+"/link", b) },
		},
		"mounted over it": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a) },
			edit: func(t *testing.T, d *desk) {
				write(t, d.dir+"/two", b)
				mount(t, d.dir+"/two", d.operators)
			},
		},
		"mounted over its directory": {
			prepare: func(t *testing.T, d *desk) { write(t, d.operators, a) },
			edit: func(t *testing.T, d *desk) {
				ok(os.Mkdir(base(d)+"/two", 0o700))
				write(t, base(d)+"/two/authorized_operators", b)
				mount(t, base(d)+"/two", d.dir)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.prepare(t, d)
			d.open()
			d.settle()
			d.want("before", map[ssh.Signer]bool{alice: true, bob: false})
			c.edit(t, d)
			d.want("after", map[ssh.Signer]bool{alice: false, bob: true})
			d.settle()
			d.want("later", map[ssh.Signer]bool{alice: false, bob: true})
		})
	}
}
