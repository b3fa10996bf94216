package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"warren/internal/acl/acltest"
)

// The twin of TestPushedTreeKeepsModesAndLinks.
func TestPushedTreeOnWindows(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	write(t, filepath.Join(tree, "主机", "sub", "b"), "22")
	write(t, filepath.Join(tree, "z"), "")
	s := scan(t, false, tree)
	for i := range s.Manifest.Entries { // as from Linux: without w
		s.Manifest.Entries[i].Mode = 0o555
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "target")
	report, err := push(s, s.Open(0), Options{Path: target + `\`, Mkdir: true})
	if err != nil || !strings.HasSuffix(report, "5 created, 0 replaced, 0 same\n") {
		t.Fatalf("%s, %v", report, err)
	}
	if read(t, filepath.Join(target, "主机", "sub", "b")) != "22" {
		t.Error("a file is wrong")
	}
	// Modes do not matter, and nothing became read-only.
	report, err = push(s, iotest.ErrReader(errors.New("read")), Options{Path: target, Mode: 0o600})
	if err != nil || report != "0 created, 0 replaced, 5 same\n" {
		t.Errorf("%s, %v", report, err)
	}
	if info, err := os.Stat(filepath.Join(target, "z")); err != nil || info.Mode().Perm()&0o200 == 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// The twin of TestReplacedFileKeepsItsAccessListWithinTheMode.
func TestReplacedFileKeepsItsAccessList(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "file")
	list := func(name string) string {
		t.Helper()
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sd, err := accessList(f)
		if err != nil {
			t.Fatal(err)
		}
		return sd.String()
	}
	inherited := list(write(t, source, "new"))
	s := scan(t, false, source)
	for _, everyone := range []string{"", "FR"} { // the rights of Everyone, who inherits none
		write(t, target, "old")
		if everyone != "" {
			acltest.Grant(t, target, everyone)
		}
		want := list(target)
		if (want == inherited) != (everyone == "") {
			t.Fatalf("%q: the list is %s; a new file inherits %s", everyone, want, inherited)
		}
		if _, err := push(s, s.Open(0), Options{Path: target, Backup: true}); err != nil || read(t, target) != "new" {
			t.Fatalf("%q: %v", everyone, err)
		}
		for _, name := range []string{target, target + "~"} {
			if got := list(name); got != want {
				t.Errorf("%q: the list of %s is %s, want %s", everyone, name, got, want)
			}
		}
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("the directory has %q", got)
	}
}

// The twin of TestPushRefusesTargets.
func TestPushRefusesTargetsOnWindows(t *testing.T) {
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	permitted := filepath.Join(dir, "permitted")
	write(t, filepath.Join(permitted, "directory", "x"), "")
	if err := os.Chmod(write(t, filepath.Join(permitted, "read-only"), "old"), 0o400); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(permitted, "read-only"), 0o600) })
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Path: "relative"}, "not a full path"},
		{Options{Path: `\no\drive`}, "not a full path"},
		{Options{Path: filepath.Join(permitted, "directory")}, "is a directory"},
		{Options{Path: permitted + `\new\`}, "names a directory"},
		{Options{Path: filepath.Join(permitted, "nul")}, "for a device"},
		{Options{Path: filepath.Join(permitted, "CON.txt")}, "for a device"},
		{Options{Path: permitted + `\file.`}, "ends with a dot"},
		{Options{Path: permitted + `\file:stream`}, "does not permit"},
		{Options{Path: `\\?\` + permitted + `\file`}, "leave out"},
		{Options{Path: filepath.Join(dir, "missing", "file")}, "--mkdir"},
		{Options{Path: permitted + `\..\source`, Within: permitted}, "is not below"},
		{Options{Path: filepath.Join(permitted, "read-only")}, "is read-only"},
		{Options{Path: filepath.Join(permitted, "file"), Owner: "SYSTEM"}, "not supported on Windows"},
	} {
		if report, err := push(s, s.Open(0), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q, %v, want %q", c.o, report, err, c.want)
		}
	}
	if got := names(t, permitted); len(got) != 2 || read(t, filepath.Join(permitted, "read-only")) != "old" {
		t.Errorf("the directory has %q", got)
	}
	// A path may be longer than the 260 characters of old programs.
	long := filepath.Join(permitted, strings.Repeat("d", 150), strings.Repeat("e", 150), "file")
	if _, err := push(s, s.Open(0), Options{Path: long, Mkdir: true}); err != nil || read(t, long) != "one" {
		t.Errorf("a long path: %v", err)
	}
	// Names that differ in case are the same.
	if report, err := push(s, s.Open(0), Options{Path: strings.ToUpper(filepath.Join(permitted, "directory", "x")), Within: permitted}); err != nil || !strings.HasPrefix(report, "replaced") {
		t.Errorf("%q, %v", report, err)
	}
}
