package trust

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// desk is a directory with the two files, and what the log says of them.
type desk struct {
	t                  *testing.T
	operators, revoked string
	log                bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	dir := t.TempDir()
	return &desk{t: t, operators: filepath.Join(dir, "authorized_operators"), revoked: filepath.Join(dir, "revoked_operators")}
}

func (d *desk) open() *Files {
	d.t.Helper()
	f, err := Open(d.operators, d.revoked, true, slog.New(slog.NewTextHandler(&d.log, nil)))
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// replace puts a file in another's place, as mv does.
func (d *desk) replace(path, text string) {
	d.t.Helper()
	write(d.t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) wantLog(want string) {
	d.t.Helper()
	if !strings.Contains(d.log.String(), want) {
		d.t.Errorf("the log does not say %q: %s", want, d.log.String())
	}
	d.log.Reset()
}

func TestFilesAreReadAgain(t *testing.T) {
	d := newDesk(t)
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	may := func(f *Files, s ssh.Signer) bool {
		_, _, err := f.Policy().find(&signer{key: s.PublicKey()}, noon)
		return err == nil
	}
	d.replace(d.operators, line("", alice.PublicKey(), "alice"))
	f := d.open()
	if !may(f, alice) || may(f, bob) {
		t.Fatal("alice alone is expected")
	}
	if p := f.Policy(); p != f.Policy() {
		t.Error("an unchanged file is read again")
	}
	d.replace(d.operators, line("", alice.PublicKey(), "alice")+line("", bob.PublicKey(), "bob"))
	if !may(f, bob) {
		t.Error("a changed file is not read")
	}
	d.wantLog("operators=2")

	// Broken ones leave what was said before, and say so once.
	for _, c := range []struct {
		name    string
		breakIt func()
	}{
		{"a bad line", func() { d.replace(d.operators, line("", alice.PublicKey(), "alice")+"oops\n") }},
		{"empty", func() { d.replace(d.operators, "") }},
		{"gone", func() { os.Remove(d.operators) }},
		{"a directory", func() { os.Mkdir(d.operators, 0o700) }},
		{"written by all", func() {
			os.Remove(d.operators)
			d.replace(d.operators, line("", alice.PublicKey(), ""))
			os.Chmod(d.operators, 0o666)
		}},
	} {
		c.breakIt()
		if !may(f, bob) || !may(f, alice) {
			t.Errorf("%s: the old file is not in force", c.name)
		}
		d.wantLog("what it said before stays in force")
		if may(f, bob); d.log.Len() > 0 {
			t.Errorf("%s: it is said again: %s", c.name, d.log.String())
		}
	}
	f.Reload() // SIGHUP says it again
	d.wantLog("others may write it")
	d.replace(d.operators, line("", bob.PublicKey(), "bob"))
	if may(f, alice) || !may(f, bob) {
		t.Error("the mended file is not in force")
	}

	// Revocations, which were not there at first.
	d.replace(d.revoked, ssh.FingerprintSHA256(bob.PublicKey())+"\n")
	if may(f, bob) {
		t.Error("bob is revoked and may")
	}
	d.replace(d.revoked, "garbage\n")
	if may(f, bob) {
		t.Error("a broken list revokes nobody any more")
	}
	os.Remove(d.revoked)
	if may(f, bob) {
		t.Error("a list that has gone revokes nobody any more")
	}
	d.replace(d.revoked, "# nobody\n")
	if !may(f, bob) {
		t.Error("an empty list revokes")
	}
}

// A change in place that keeps the size is seen too.
func TestChangeInPlace(t *testing.T) {
	d := newDesk(t)
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	write(t, d.operators, line("", alice.PublicKey(), "xx"))
	f := d.open()
	write(t, d.operators, line("", bob.PublicKey(), "xx"))
	if err := os.Chtimes(d.operators, noon, noon); err != nil { // the clock of the file system is coarse
		t.Fatal(err)
	}
	if f.Policy().operators.keys[string(bob.PublicKey().Marshal())] == nil {
		t.Error("not read again")
	}
}

func TestFilesAtStart(t *testing.T) {
	key := newKey(t, "ed25519").PublicKey()
	for name, c := range map[string]struct {
		edit func(d *desk)
		want string
	}{
		"absent":       {func(d *desk) { os.Remove(d.operators) }, "no such file"},
		"bad line":     {func(d *desk) { write(t, d.operators, "x") }, ":1: "},
		"too long":     {func(d *desk) { write(t, d.operators, strings.Repeat("#", maxOperators+1)) }, "limit"},
		"revoked, bad": {func(d *desk) { write(t, d.revoked, "x") }, "revoked_operators:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			write(t, d.operators, line("", key, ""))
			c.edit(d)
			if _, err := Open(d.operators, d.revoked, true, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	d := newDesk(t)
	write(t, d.operators, line("", key, ""))
	if _, err := Open(d.operators, d.revoked, false, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a list that was asked for and is not there is passed over")
	}
}
