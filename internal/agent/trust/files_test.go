package trust

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// A desk is a directory with the two files, and the log output about them.
type desk struct {
	t                       *testing.T
	dir, operators, revoked string
	log                     bytes.Buffer
	files                   *Files
	now                     time.Time
}

func newDesk(t *testing.T) *desk {
	dir := filepath.Join(t.TempDir(), "warren")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, dir: dir, operators: filepath.Join(dir, "authorized_operators"), revoked: filepath.Join(dir, "revoked_operators"), now: time.Now()}
}

func (d *desk) open() *Files {
	d.t.Helper()
	f, err := Open(d.operators, d.revoked, true, slog.New(slog.NewTextHandler(&d.log, nil)))
	if err != nil {
		d.t.Fatal(err)
	}
	f.now = func() time.Time { return d.now }
	d.files = f
	return f
}

// may reports whether a key is an operator's now.
func (d *desk) may(s ssh.Signer) bool {
	_, _, err := d.files.Policy().find(signerOf(s), noon)
	return err == nil
}

func signerOf(s ssh.Signer) *signer {
	if c, ok := s.PublicKey().(*ssh.Certificate); ok {
		return &signer{key: c.Key, cert: c}
	}
	return &signer{key: s.PublicKey()}
}

// want checks the authorized keys twice, because the second check must have the same
// result.
func (d *desk) want(what string, keys map[ssh.Signer]bool) {
	d.t.Helper()
	for range 2 {
		for key, want := range keys {
			if d.may(key) != want {
				d.t.Errorf("%s: a key is permitted: %v, want %v", what, !want, want)
			}
		}
	}
}

// wantRefused checks the refusals that operators see.
func (d *desk) wantRefused(want ...wire.RefusedFile) {
	d.t.Helper()
	d.files.Policy()
	got := d.files.Refused()
	if !slices.EqualFunc(got, want, func(got, want wire.RefusedFile) bool {
		reason := strings.Contains(got.Reason, want.Reason)
		got.Reason = want.Reason
		return reason && got == want
	}) {
		d.t.Errorf("refused: %+v, want %+v", got, want)
	}
}

// settle advances the clock by settleDelay.
func (d *desk) settle() {
	d.files.Policy()
	d.now = d.now.Add(settleDelay)
	d.files.Policy()
}

// replace replaces a file as mv does.
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

func TestChangedFileIsReadAgain(t *testing.T) {
	d := newDesk(t)
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	d.replace(d.operators, line("", alice.PublicKey(), "alice"))
	f := d.open()
	d.want("at first", map[ssh.Signer]bool{alice: true, bob: false})
	d.settle()
	if p := f.Policy(); p != f.Policy() {
		t.Error("an unchanged file is read again")
	}
	d.log.Reset()
	d.replace(d.operators, line("", alice.PublicKey(), "alice")+line("", bob.PublicKey(), "bob"))
	d.want("bob added", map[ssh.Signer]bool{alice: true, bob: true})
	d.wantLog("operators=2")
	if d.settle(); d.log.Len() > 0 {
		t.Errorf("it is logged again: %s", d.log.String())
	}
}

// Removed rights end at the next request, without a signal.
func TestRemovedRightsEnd(t *testing.T) {
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	a, b := line("", alice.PublicKey(), "alice"), line("", bob.PublicKey(), "bob")
	both, none := map[ssh.Signer]bool{alice: true, bob: true}, map[ssh.Signer]bool{alice: false, bob: false}
	onlyAlice := map[ssh.Signer]bool{alice: true, bob: false}
	ok := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		edit    func(d *desk)
		want    map[ssh.Signer]bool
		problem string // empty: the file is accepted
		log     string
	}{
		"a line":               {edit: func(d *desk) { d.replace(d.operators, a) }, want: onlyAlice, log: "operators=1"},
		"a line, in place":     {edit: func(d *desk) { write(t, d.operators, a) }, want: onlyAlice},
		"a line, with sed":     {edit: func(d *desk) { write(t, d.operators, a+"#"+b) }, want: onlyAlice},
		"all, emptied":         {edit: func(d *desk) { write(t, d.operators, "") }, want: none, log: "it lists no operators"},
		"all, commented out":   {edit: func(d *desk) { d.replace(d.operators, "# "+a+"# "+b) }, want: none},
		"all, cut to blanks":   {edit: func(d *desk) { d.replace(d.operators, "\n \r\n\t\n") }, want: none},
		"the file":             {edit: func(d *desk) { ok(os.Remove(d.operators)) }, want: none, problem: wire.FileMissing, log: "nobody may run anything"},
		"its directory":        {edit: func(d *desk) { ok(os.RemoveAll(d.dir)) }, want: none, problem: wire.FileMissing},
		"its directory, moved": {edit: func(d *desk) { ok(os.Rename(d.dir, d.dir+".old")) }, want: none, problem: wire.FileMissing},
		"a file for the directory": {edit: func(d *desk) {
			ok(os.RemoveAll(d.dir))
			write(t, d.dir, "")
		}, want: none, problem: wire.FileMissing},
		"a link to nothing": {edit: func(d *desk) {
			ok(os.Remove(d.operators))
			if err := os.Symlink("nowhere", d.operators); err != nil {
				t.Skip(err) // Windows lets not everybody make links
			}
		}, want: none, problem: wire.FileMissing},
		"a line, with a bad one":        {edit: func(d *desk) { d.replace(d.operators, a+"oops\n") }, want: onlyAlice, problem: wire.FileLine, log: "operators:2: "},
		"a line, cut off":               {edit: func(d *desk) { d.replace(d.operators, a+b[:40]) }, want: onlyAlice, problem: wire.FileLine},
		"all, by a line that is binary": {edit: func(d *desk) { d.replace(d.operators, "\x00\x01\n") }, want: none, problem: wire.FileLine},
		"all, by line ends of one CR":   {edit: func(d *desk) { d.replace(d.operators, strings.ReplaceAll(a+b, "\n", "\r")) }, want: none, problem: wire.FileLine},
		"rights, by options that are bad": {edit: func(d *desk) {
			d.replace(d.operators, a+line(`permit-comand="df"`, bob.PublicKey(), "bob"))
		}, want: onlyAlice, problem: wire.FileLine},
		"rights, by options, with a bad line": {edit: func(d *desk) {
			d.replace(d.operators, a+line(`any-job`, bob.PublicKey(), "bob")+"oops\n")
		}, want: onlyAlice, problem: wire.FileLine},
		"nothing, by a bad line":                {edit: func(d *desk) { d.replace(d.operators, a+"oops\n"+b) }, want: both, problem: wire.FileLine},
		"nothing, by a key on another's line":   {edit: func(d *desk) { d.replace(d.operators, a+strings.TrimSpace(b)+a) }, want: both, problem: wire.FileLine},
		"nothing, by a directory for the file":  {edit: func(d *desk) { ok(os.Remove(d.operators)); ok(os.Mkdir(d.operators, 0o700)) }, want: both, problem: wire.FileUnreadable},
		"nothing, by a file that is too large":  {edit: func(d *desk) { d.replace(d.operators, strings.Repeat("#", maxOperators+1)) }, want: both, problem: wire.FileUnreadable},
		"nothing, by a comment that is changed": {edit: func(d *desk) { d.replace(d.operators, strings.ReplaceAll(a+b+"oops\n", "alice", "anna")) }, want: both, problem: wire.FileLine},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.replace(d.operators, a+b)
			d.open()
			d.settle()
			d.log.Reset()
			d.want("before", both)
			c.edit(d)
			d.want("after", c.want)
			d.settle()
			d.want("later", c.want)
			if c.log != "" && !strings.Contains(d.log.String(), c.log) {
				t.Errorf("the log does not say %q: %s", c.log, d.log.String())
			}
			if n := strings.Count(d.log.String(), "\n"); c.problem != "" && n != 1 {
				t.Errorf("%d lines are logged: %s", n, d.log.String())
			}
			if refused := d.files.Refused(); c.problem == "" && refused != nil || c.problem != "" && (len(refused) != 1 || refused[0].Problem != c.problem) {
				t.Errorf("refused: %+v, want problem %q", refused, c.problem)
			}
			ok(os.RemoveAll(d.dir))
			ok(os.Mkdir(d.dir, 0o700))
			d.replace(d.operators, a+b)
			d.want("mended", both)
			d.wantRefused()
		})
	}
}

// A bad file can only remove rights until it is fixed.
func TestBadFileOnlyRemovesRights(t *testing.T) {
	d := newDesk(t)
	alice, bob, carol := newKey(t, "ed25519"), newKey(t, "ed25519"), newKey(t, "ed25519")
	a, b, c := line("", alice.PublicKey(), "alice"), line("", bob.PublicKey(), "bob"), line("", carol.PublicKey(), "carol")
	d.replace(d.operators, a+b)
	d.open()
	for _, step := range []struct {
		text    string
		a, b, c bool
	}{
		{a + b + c + "oops\n", true, true, false},
		{a + "oops\n", true, false, false},
		{a + b + c + "oops\n", true, false, false},
		{"oops\n" + b, false, false, false},
		{a + b + "oops\n", false, false, false},
		{a + c, true, false, true},
	} {
		d.replace(d.operators, step.text)
		d.want(step.text, map[ssh.Signer]bool{alice: step.a, bob: step.b, carol: step.c})
	}
}

// For an authority, the first line that names a principal applies. A line that is
// missing from a bad file must not expose a line below it that permits more.
func TestMissingAuthorityLineStillHidesOthers(t *testing.T) {
	d := newDesk(t)
	ca := newKey(t, "ed25519")
	first := line(`cert-authority,principals="sre",expiry-time="20300101Z"`, ca.PublicKey(), "confined")
	second := line(`cert-authority,principals="ops"`, ca.PublicKey(), "open")
	names := func(principals ...string) ssh.Signer {
		return certify(t, ca, newKey(t, "ed25519"), func(c *ssh.Certificate) { c.ValidPrincipals = principals })
	}
	sre, ops, either := names("sre"), names("ops"), names("ops", "sre")
	d.replace(d.operators, first+second)
	d.open()
	d.want("at first", map[ssh.Signer]bool{sre: true, ops: true, either: true})
	for _, text := range []string{second + "oops\n", "expiry-tim=\"20300101Z\"," + first + second, first + second + "oops\n"} {
		d.replace(d.operators, text)
		d.want(text, map[ssh.Signer]bool{sre: false, ops: true, either: false})
	}
	d.replace(d.operators, second+first+"oops\n") // in another order
	d.want("in another order", map[ssh.Signer]bool{sre: false, ops: true, either: false})
	d.replace(d.operators, second)
	d.want("mended", map[ssh.Signer]bool{sre: false, ops: true, either: true})
}

// The order of two lines of an authority also matters.
func TestBadFileDoesNotReorderLines(t *testing.T) {
	d := newDesk(t)
	ca := newKey(t, "ed25519")
	first := line(`cert-authority,principals="sre"`, ca.PublicKey(), "")
	second := line(`cert-authority,principals="ops",any-job`, ca.PublicKey(), "")
	either := certify(t, ca, newKey(t, "ed25519"), func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ops", "sre"} })
	d.replace(d.operators, first+second)
	d.open()
	d.replace(d.operators, second+first+"oops\n")
	rule, _, err := d.files.Policy().find(signerOf(either), noon)
	if err != nil || rule.anyJob {
		t.Errorf("%v, %v", rule, err)
	}
}

// A change that leaves the file's stamp unchanged is detected while the file system's
// clock may be too coarse.
func TestUnchangedStampIsRecheckedUntilSettled(t *testing.T) {
	d := newDesk(t)
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	write(t, d.operators, line("", alice.PublicKey(), "xx"))
	d.open()
	d.want("at first", map[ssh.Signer]bool{alice: true})
	d.files.operators.isUnchanged(d.files.operators.last, d.now)
	write(t, d.operators, line("", bob.PublicKey(), "xx"))
	stamp, err := d.files.operators.stamp()
	if err != nil {
		t.Fatal(err)
	}
	d.files.operators.last = stamp // as if nothing had moved it
	d.now = d.now.Add(settleDelay - time.Millisecond)
	d.want("after a change", map[ssh.Signer]bool{alice: false, bob: true})
	write(t, d.operators, line("", alice.PublicKey(), "xx"))
	if d.files.operators.last, err = d.files.operators.stamp(); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Hour) // nobody has asked in the meantime
	d.want("after a second", map[ssh.Signer]bool{alice: true, bob: false})
}

func TestReloadReadsAndLogsAgain(t *testing.T) {
	d := newDesk(t)
	alice := newKey(t, "ed25519")
	d.replace(d.operators, line("", alice.PublicKey(), ""))
	f := d.open()
	d.settle()
	d.replace(d.operators, "oops\n")
	d.settle()
	for range 2 {
		d.wantLog("no key follows")
		f.Reload()
	}
	d.replace(d.operators, line("", alice.PublicKey(), ""))
	f.Policy()
	d.log.Reset()
	f.Reload()
	d.wantLog("operators=1")
}

// Additions to revoked_operators apply at once, even in a bad file. Removals apply
// only when the whole file is valid and settled.
func TestRevocationsAreKept(t *testing.T) {
	d := newDesk(t)
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	revoke := func(s ssh.Signer) string { return ssh.FingerprintSHA256(s.PublicKey()) + "\n" }
	both, none := map[ssh.Signer]bool{alice: false, bob: false}, map[ssh.Signer]bool{alice: true, bob: true}
	bobOnly := map[ssh.Signer]bool{alice: true, bob: false}
	d.replace(d.operators, line("", alice.PublicKey(), "alice")+line("", bob.PublicKey(), "bob"))
	d.open()
	d.want("no list", none)
	d.wantRefused()
	d.replace(d.revoked, revoke(bob))
	d.want("the first list", bobOnly)
	d.wantLog("which=" + strings.TrimSpace(revoke(bob)))
	d.settle()
	for name, edit := range map[string]func(){
		"garbage":         func() { d.replace(d.revoked, "garbage\n") },
		"a damaged KRL":   func() { d.replace(d.revoked, krlMagic+"\x00") },
		"absent":          func() { os.Remove(d.revoked) },
		"no file":         func() { os.Remove(d.revoked); os.Mkdir(d.revoked, 0o700) },
		"longer than max": func() { d.replace(d.revoked, strings.Repeat("#", maxRevoked+1)) },
	} {
		edit()
		d.want(name, bobOnly)
		d.settle()
		d.want(name+", later", bobOnly)
		if len(d.files.Refused()) != 1 {
			t.Errorf("%s is accepted", name)
		}
		os.RemoveAll(d.revoked)
	}
	d.replace(d.revoked, revoke(alice)+"garbage\n")
	d.want("one more, and garbage", both)
	d.wantRefused(wire.RefusedFile{File: "revoked_operators", Problem: wire.FileLine, Path: d.revoked, Line: 2, Reason: "garbage"})
	d.replace(d.revoked, "")
	d.want("emptied, as by who is about to write it", both)
	d.settle()
	d.want("empty", none)
	d.wantRefused()
}

func TestFilesAtStart(t *testing.T) {
	key := newKey(t, "ed25519").PublicKey()
	for name, c := range map[string]struct {
		edit func(d *desk)
		want string
	}{
		"absent":       {func(d *desk) { os.Remove(d.operators) }, ""},
		"bad line":     {func(d *desk) { write(t, d.operators, "x") }, ":1: "},
		"too long":     {func(d *desk) { write(t, d.operators, strings.Repeat("#", maxOperators+1)) }, "limit"},
		"revoked, bad": {func(d *desk) { write(t, d.revoked, "x") }, "revoked_operators:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			write(t, d.operators, line("", key, ""))
			c.edit(d)
			if _, err := Open(d.operators, d.revoked, true, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, fs.ErrNotExist) != (name == "absent") {
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
