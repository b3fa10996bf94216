package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sync/errgroup"
)

// write makes a file, with its directories.
func write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// push writes what the source lists, and returns the report.
func push(s *Source, content io.Reader, o Options) (string, error) {
	m, err := Decode(s.Text)
	if err != nil {
		return "", err
	}
	target, err := Open(m, o)
	if err != nil {
		return "", err
	}
	defer target.Close()
	if err := target.Write(context.Background(), content); err != nil {
		return "", err
	}
	var report strings.Builder
	target.Report(&report)
	return report.String(), nil
}

func scan(t *testing.T, into bool, paths ...string) *Source {
	t.Helper()
	s, err := Scan(t.Context(), paths, into)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An onRead calls a function once, before its content is read.
type onRead struct {
	content io.Reader
	call    func()
}

func (r *onRead) Read(p []byte) (int, error) {
	if r.call != nil {
		r.call()
		r.call = nil
	}
	return r.content.Read(p)
}

// names lists what is in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestPushedFileIsCreatedSameAndReplaced(t *testing.T) {
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "source"), "one")
	target := filepath.Join(dir, "host", "file")
	o := Options{Path: target, Mode: 0o640, Backup: true, Mkdir: true}
	for _, c := range []struct{ content, want, backup string }{
		{"one", "created ", ""}, {"one", "same ", ""}, {"two", "replaced ", "one"}, {"three", "replaced ", "two"}, {"", "replaced ", "three"},
	} {
		write(t, source, c.content)
		s := scan(t, false, source)
		report, err := push(s, s.Open(0), o)
		if err != nil || !strings.HasPrefix(report, c.want) {
			t.Fatalf("%q, %v, want %q", report, err, c.want)
		}
		if got := read(t, target); got != c.content {
			t.Errorf("the file is %q", got)
		}
		if info, _ := os.Stat(target); runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
			t.Errorf("mode %v", info.Mode())
		}
		if c.backup != "" && read(t, target+"~") != c.backup {
			t.Errorf("the backup is %q, want %q", read(t, target+"~"), c.backup)
		}
	}
	if got := names(t, filepath.Dir(target)); len(got) != 2 {
		t.Errorf("the directory has %q", got)
	}
}

func TestChangedModeAloneNeedsNoContent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	target := write(t, filepath.Join(dir, "file"), "one")
	report, err := push(s, iotest.ErrReader(errors.New("read")), Options{Path: target, Mode: 0o600})
	if info, _ := os.Stat(target); err != nil || !strings.HasPrefix(report, "replaced") || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", report, err, info.Mode())
	}
}

// Somebody who may write in the directory replaces the file by another one after it was
// compared. That one keeps its mode.
// Another name of the file may be anywhere, and keeps what it has.
func TestChangedModeLeavesOtherNamesAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	target, other := write(t, filepath.Join(dir, "in", "file"), "one"), filepath.Join(dir, "other")
	if err := os.Link(target, other); err != nil {
		t.Fatal(err)
	}
	report, err := push(s, s.Open(0), Options{Path: target, Mode: 0o666})
	if info, _ := os.Stat(target); err != nil || !strings.HasPrefix(report, "replaced") || info.Mode().Perm() != 0o666 || read(t, target) != "one" {
		t.Errorf("%q, %v, %v", report, err, info.Mode())
	}
	if info, _ := os.Stat(other); info.Mode().Perm() != 0o644 {
		t.Errorf("the other name has mode %v", info.Mode())
	}
}

// While the push goes on, the name exists.
func TestBackupOfALinkKeepsItsName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	target := filepath.Join(dir, "in", "link")
	if err := errors.Join(os.Mkdir(filepath.Dir(target), 0o755), os.Symlink("else", target)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		for ctx.Err() == nil {
			if _, err := os.Lstat(target); err != nil {
				return err
			}
		}
		return nil
	})
	for range 300 {
		if _, err := push(s, s.Open(0), Options{Path: target, Backup: true}); err != nil {
			t.Fatal(err)
		}
		link := target + ".new"
		if err := errors.Join(os.Symlink("else", link), os.Rename(link, target)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Errorf("the name was missing: %v", err)
	}
	if link, err := os.Readlink(target + "~"); err != nil || link != "else" {
		t.Errorf("the backup leads to %q, %v", link, err)
	}
	if got := names(t, filepath.Dir(target)); len(got) != 2 {
		t.Errorf("the directory has %q", got)
	}
}

// Where hard links do not exist, a backup is a copy.
func TestBackupIsACopyWithoutHardLinks(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "one")
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := errors.Join(os.Chmod(file, 0o640), os.Chtimes(file, at, at)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := copyFile(root, "file", "copy"); err != nil {
		t.Fatal(err)
	}
	want, _ := os.Stat(file)
	got, err := os.Stat(filepath.Join(dir, "copy"))
	if err != nil || got.Mode() != want.Mode() || !got.ModTime().Equal(at) || read(t, filepath.Join(dir, "copy")) != "one" {
		t.Errorf("%v, %v, want %v: %v", got.Mode(), got.ModTime(), want.Mode(), err)
	}
	if err := copyFile(root, "file", "copy"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a file that exists: %v", err)
	}
}

// A push that was canceled in the last moment changes nothing.
func TestPushCanceledBehindItsContentChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
	file := write(t, filepath.Join(dir, "in", "file"), "old")
	m, err := Decode(s.Text)
	if err != nil {
		t.Fatal(err)
	}
	target, err := Open(m, Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	ctx, cancel := context.WithCancel(t.Context())
	if err := target.Write(ctx, &onRead{s.Open(0), cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := names(t, filepath.Dir(file)); len(got) != 1 || read(t, file) != "old" {
		t.Errorf("%q, %q", got, read(t, file))
	}
}

func TestModeOfExchangedFileIsKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	path, secret := write(t, filepath.Join(dir, "file"), "one"), write(t, filepath.Join(dir, "secret"), "a secret")
	target, err := Open(&s.Manifest, Options{Path: path, Mode: 0o777})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(secret, path); err != nil {
		t.Fatal(err)
	}
	if err := target.Write(t.Context(), s.Open(0)); err == nil || !strings.Contains(err.Error(), "was replaced by somebody else") {
		t.Errorf("%v", err)
	}
	if info, _ := os.Stat(secret); info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
}

// So is a new directory: whoever owns the one above may make its name lead to another one.
func TestModeOfExchangedDirectoryIsKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree", "a", "new", "file"), "one")
	s := scan(t, false, filepath.Join(dir, "tree"))
	secret := filepath.Join(dir, "target", "secret")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "target", "a"), 0o755), os.MkdirAll(filepath.Join(secret, "new"), 0o700)); err != nil {
		t.Fatal(err)
	}
	target, err := Open(&s.Manifest, Options{Path: filepath.Join(dir, "target")})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	w, i := &writing{Target: target}, slices.IndexFunc(target.steps, func(s step) bool { return s.entry.Name() == "a/new" })
	if err := w.makeDirectory(&target.steps[i], "a/new"); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "target", "a", "new")
	for _, exchange := range []func() error{
		func() error { return errors.Join(os.Remove(made), os.Symlink("../secret", made)) },
		func() error { // with the directory above
			return errors.Join(os.Remove(made), os.Remove(filepath.Dir(made)), os.Symlink("secret", filepath.Dir(made)))
		},
	} {
		if err := exchange(); err != nil {
			t.Fatal(err)
		}
		if err := w.finishDirectory(&target.steps[i], "a/new"); err == nil || !strings.Contains(err.Error(), "was replaced by somebody else") {
			t.Errorf("%v", err)
		}
		if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the mode of the other directory is %v, %v", info.Mode(), err)
		}
	}
}

func TestPushedTreeKeepsModesAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	write(t, filepath.Join(tree, "a", "new\nline"), "1")
	write(t, filepath.Join(tree, "a", "not\xffUTF-8"), "22")
	write(t, filepath.Join(tree, "z"), "")
	if err := errors.Join(os.Symlink("../z", filepath.Join(tree, "a", "link")), os.Chmod(filepath.Join(tree, "a"), 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(tree, "a"), 0o700) })
	s := scan(t, false, tree)
	target := filepath.Join(dir, "target")
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(target, "a"), 0o700) })
	report, err := push(s, s.Open(0), Options{Path: target})
	if err != nil || !strings.HasSuffix(report, "6 created, 0 replaced, 0 same\n") || strings.Contains(report, "new\nline") {
		t.Fatalf("%s, %v", report, err)
	}
	if read(t, filepath.Join(target, "a", "not\xffUTF-8")) != "22" || read(t, filepath.Join(target, "a", "new\nline")) != "1" {
		t.Error("a file is wrong")
	}
	if link, _ := os.Readlink(filepath.Join(target, "a", "link")); link != "../z" {
		t.Errorf("the link is %q", link)
	}
	if info, _ := os.Stat(filepath.Join(target, "a")); info.Mode().Perm() != 0o500 {
		t.Errorf("mode %v", info.Mode())
	}
	report, err = push(s, iotest.ErrReader(errors.New("read")), Options{Path: target})
	if err != nil || report != "0 created, 0 replaced, 6 same\n" {
		t.Errorf("%s, %v", report, err)
	}
}

// Whatever is wrong with the content, the target is as it was.
func TestBadContentChangesNothing(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	write(t, filepath.Join(tree, "a"), "aaaa")
	write(t, filepath.Join(tree, "b"), "bbbb")
	write(t, filepath.Join(tree, "sub", "c"), "cccc")
	s := scan(t, false, tree)
	target := filepath.Join(dir, "target")
	write(t, filepath.Join(target, "a"), "old")
	for name, content := range map[string]io.Reader{
		"short":   strings.NewReader("aaaabb"),
		"altered": strings.NewReader("aaaabbbbccXc"),
		"swapped": strings.NewReader("bbbbaaaacccc"),
		"failing": io.MultiReader(strings.NewReader("aaaab"), iotest.ErrReader(errors.New("lost"))),
		"empty":   strings.NewReader(""),
	} {
		if _, err := push(s, content, Options{Path: target, Backup: true}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := names(t, target); len(got) != 1 || read(t, filepath.Join(target, "a")) != "old" {
			t.Errorf("%s: the target has %q", name, got)
		}
	}
}

func TestPushRefusesTargets(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs symbolic links and devices")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	permitted, outside := filepath.Join(dir, "permitted"), filepath.Join(dir, "outside")
	write(t, filepath.Join(outside, "file"), "old")
	write(t, filepath.Join(permitted, "directory", "x"), "")
	if err := errors.Join(os.Symlink(outside, filepath.Join(permitted, "out")), os.Symlink("directory", filepath.Join(permitted, "in"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Path: "relative"}, "not a full path"},
		{Options{Path: filepath.Join(permitted, "directory")}, "is a directory"},
		{Options{Path: permitted + "/new/"}, "names a directory"},
		{Options{Path: "/dev/null"}, "is a device"},
		{Options{Path: filepath.Join(dir, "missing", "file")}, "--mkdir"},
		{Options{Path: filepath.Join(permitted, "out", "file"), Within: permitted}, "escapes"},
		{Options{Path: filepath.Join(permitted, "out", "new", "file"), Within: permitted, Mkdir: true}, "escapes"},
		{Options{Path: permitted + "/../outside/file", Within: permitted}, "is not below"},
		{Options{Path: filepath.Join(outside, "file"), Within: permitted}, "is not below"},
		{Options{Path: filepath.Join(permitted, "file"), Owner: "no-such-user-here"}, "no such user"},
	} {
		if report, err := push(s, s.Open(0), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q, %v, want %q", c.o, report, err, c.want)
		}
	}
	if read(t, filepath.Join(outside, "file")) != "old" || len(names(t, outside)) != 1 {
		t.Error("a file outside was changed")
	}
	if _, err := push(s, s.Open(0), Options{Path: filepath.Join(permitted, "in", "file"), Within: permitted}); err != nil {
		t.Errorf("a link that stays inside: %v", err)
	}
}

// Whatever a push may write in its directory, it may not make programs that run as another
// user, or links that other programs follow out of it.
func TestConfinedPushWritesNoSpecialModeAndNoLinkOut(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs modes and symbolic links")
	}
	dir := t.TempDir()
	tree, permitted := filepath.Join(dir, "tree"), filepath.Join(dir, "permitted")
	write(t, filepath.Join(permitted, "other"), "")
	file := write(t, filepath.Join(tree, "sub", "file"), "new")
	link := filepath.Join(tree, "sub", "link")
	for _, c := range []struct {
		mode os.FileMode
		link string
		o    Options
		want string // "": it is written
	}{
		{0o644, "file", Options{}, ""},
		{0o644, "./../sub//file", Options{}, ""},
		{0o644, "..", Options{}, ""},
		{0o755 | os.ModeSetuid, "file", Options{}, "setuid"},
		{0o755 | os.ModeSetgid, "file", Options{}, "setuid"},
		{0o755 | os.ModeSticky, "file", Options{}, "setuid"},
		{0o755, "file", Options{Mode: 0o4755}, "setuid"},
		{0o755 | os.ModeSetuid, "file", Options{Mode: 0o755}, ""},
		{0o644, "../../other", Options{}, "leads out"},
		{0o644, "a/../../other", Options{}, "leads out"},
		{0o644, "/etc/passwd", Options{}, "leads out"},
		{0o644, permitted, Options{}, "leads out"},
	} {
		_ = os.Remove(link)
		if err := errors.Join(os.Chmod(file, c.mode), os.Symlink(c.link, link)); err != nil {
			t.Fatal(err)
		}
		s := scan(t, false, tree)
		c.o.Path = filepath.Join(permitted, "new")
		if _, err := push(s, s.Open(0), c.o); err != nil {
			t.Errorf("%v, %s: not confined: %v", c.mode, c.link, err)
		}
		if err := os.RemoveAll(c.o.Path); err != nil {
			t.Fatal(err)
		}
		c.o.Within = permitted
		_, err := push(s, s.Open(0), c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, %s, %o: %v, want %q", c.mode, c.link, c.o.Mode, err, c.want)
		}
		if _, e := os.Lstat(c.o.Path); (e == nil) != (c.want == "") {
			t.Errorf("%v, %s: %v", c.mode, c.link, e)
		}
	}
}

// A link that goes up is checked by its path in the tree, so the path must be the real one.
func TestConfinedPushNeedsRealDirectories(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs symbolic links")
	}
	dir := t.TempDir()
	tree, permitted := filepath.Join(dir, "tree"), filepath.Join(dir, "permitted")
	write(t, filepath.Join(tree, "a", "b", "file"), "new")
	s := scan(t, false, tree)
	if err := errors.Join(os.MkdirAll(filepath.Join(permitted, "new", "a"), 0o755), os.Symlink("../..", filepath.Join(permitted, "new", "a", "b"))); err != nil {
		t.Fatal(err)
	}
	_, err := push(s, s.Open(0), Options{Path: filepath.Join(permitted, "new"), Within: permitted})
	if err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("got %v", err)
	}
}

func TestTreeDoesNotFollowLinksOut(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs symbolic links")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree", "sub", "file"), "new")
	s := scan(t, false, filepath.Join(dir, "tree"))
	write(t, filepath.Join(dir, "outside", "file"), "old")
	target := filepath.Join(dir, "target")
	if err := errors.Join(os.Mkdir(target, 0o755), os.Symlink("../outside", filepath.Join(target, "sub"))); err != nil {
		t.Fatal(err)
	}
	if _, err := push(s, s.Open(0), Options{Path: target}); err == nil || !strings.Contains(err.Error(), filepath.Join(target, "sub")) || !strings.Contains(err.Error(), "a symbolic link that leads out") {
		t.Errorf("got %v", err)
	}
	if read(t, filepath.Join(dir, "outside", "file")) != "old" {
		t.Error("a file outside was changed")
	}
}

// Pushes to one path at the same time leave one of the files, whole, and nothing else.
func TestPushesToOnePathAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "host", "file")
	write(t, target, "old")
	var g errgroup.Group
	contents := map[string]bool{}
	for i := range 8 {
		content := strings.Repeat(string(rune('a'+i)), 100_000+i)
		contents[content] = true
		s := scan(t, false, write(t, filepath.Join(dir, content[:1]), content))
		g.Go(func() error {
			for range 5 {
				if _, err := push(s, s.Open(0), Options{Path: target, Backup: i%2 == 0}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil && runtime.GOOS != "windows" { // which refuses to replace an open file
		t.Error(err)
	}
	if !contents[read(t, target)] {
		t.Errorf("the file is of no push: %d bytes", len(read(t, target)))
	}
	for _, name := range names(t, filepath.Dir(target)) {
		if name != "file" && name != "file~" {
			t.Errorf("%s is left", name)
		}
	}
}

// Of a file that grows, as a log does, the push has what was there when it was scanned.
func TestSourceThatGrows(t *testing.T) {
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "source"), "one")
	s := scan(t, false, source)
	write(t, source, "oneone")
	if got, err := io.ReadAll(s.Open(0)); err != nil || string(got) != "one" {
		t.Errorf("appended: %q, %v: the part that was scanned is the same", got, err)
	}
	write(t, source, "twotwo")
	content := s.Open(0)
	if _, err := io.ReadFull(content, make([]byte, 3)); err != nil {
		t.Errorf("replaced: %v before the end", err)
	}
	for range 2 {
		if _, err := content.Read(make([]byte, 1)); !errors.Is(err, ErrChanged) {
			t.Errorf("replaced: %v", err)
		}
	}
}

func TestDecodeRefusesManifests(t *testing.T) {
	const sum = `"sha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	for _, text := range []string{
		``, `{}`, `{"entries":[]}`, `{"entries":[],"more":1}`,
		`{"entries":[{"path":"Li4=","kind":"dir","mode":0}]}`,                                                               // ..
		`{"entries":[{"path":"L2V0Yw==","kind":"dir","mode":0}]}`,                                                           // /etc
		`{"entries":[{"path":"YS8uLi9i","kind":"dir","mode":0}]}`,                                                           // a/../b
		`{"entries":[{"path":"","kind":"dir","mode":0}]}`,                                                                   //
		`{"entries":[{"path":"YS9i","kind":"dir","mode":0}]}`,                                                               // a/b without a
		`{"entries":[{"path":"YQBi","kind":"dir","mode":0}]}`,                                                               // a NUL
		`{"entries":[{"path":"YQ==","kind":"dir","mode":0},{"path":"YQ==","kind":"dir","mode":0}]}`,                         // twice
		`{"entries":[{"path":"YQ==","kind":"symlink","mode":0,"link":"Lw=="},{"path":"YS9i","kind":"dir","mode":0}]}`,       // in a link
		`{"entries":[{"path":"Lg==","kind":"file","mode":0,` + sum + `},{"path":"YQ==","kind":"dir","mode":0}]}`,            // in a file
		`{"entries":[{"path":"YQ==","kind":"device","mode":0}]}`, `{"entries":[{"path":"YQ==","kind":"dir","mode":65536}]}`, //
		`{"entries":[{"path":"YQ==","kind":"file","mode":0,"size":-1,` + sum + `}]}`, `{"entries":[{"path":"YQ==","kind":"file","mode":0}]}`,
		`{"entries":[{"path":"YQ==","kind":"dir","mode":0,"size":1}]}`, `{"entries":[{"path":"YQ==","kind":"symlink","mode":0}]}`,
		`{"entries":[{"path":"YQ==","kind":"file","mode":0,"size":9223372036854775807,` + sum + `},{"path":"Yg==","kind":"file","mode":0,"size":1,` + sum + `}]}`,
	} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestSourceThatChangesIsDetected(t *testing.T) {
	dir := t.TempDir()
	first, second := write(t, filepath.Join(dir, "d", "1"), "one"), write(t, filepath.Join(dir, "d", "2"), "two")
	for name, change := range map[string]func(){
		"altered": func() { write(t, second, "tWo") },
		"shorter": func() { write(t, second, "t") },
	} {
		write(t, first, "one")
		write(t, second, "two")
		s := scan(t, false, filepath.Join(dir, "d"))
		change()
		content := s.Open(0)
		if _, err := io.ReadAll(content); !errors.Is(err, ErrChanged) || !strings.HasPrefix(err.Error(), second+": it changed") {
			t.Errorf("%s: %v", name, err)
		}
		content.Close() // Windows writes no file that is open
	}
}

// A scanned is an open source that changes when it is read.
type scanned struct {
	onRead
	file *os.File
}

func (s *scanned) Stat() (fs.FileInfo, error) { return s.file.Stat() }
func (s *scanned) Close() error               { return s.file.Close() }

// Of a change of the size or of the time, either is enough: some file systems have coarse times.
func TestSourceThatChangesDuringTheScanIsDetected(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	early, late := time.Unix(1e9, 0), time.Unix(2e9, 0)
	for _, c := range []struct {
		content string
		time    time.Time
		want    error
	}{
		{"one", early, nil}, {"longer", early, ErrChanged}, {"x", early, ErrChanged}, {"two", late, ErrChanged},
	} {
		change := func(content string, at time.Time) {
			if err := os.Chtimes(write(t, source, content), at, at); err != nil {
				t.Fatal(err)
			}
		}
		change("one", early)
		f, err := os.Open(source)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = digest(t.Context(), &scanned{onRead{f, func() { change(c.content, c.time) }}, f}, source)
		f.Close()
		if !errors.Is(err, c.want) || err != nil && !strings.HasPrefix(err.Error(), source+": it changed") {
			t.Errorf("%q: %v", c.content, err)
		}
	}
}

func TestCompareNamesWhatHasChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	one := write(t, filepath.Join(dir, "1"), "one")
	write(t, filepath.Join(dir, "2"), "two")
	before := scan(t, false, dir)
	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"unchanged", func() {}, ""},
		{"written again", func() { write(t, one, "one") }, ""},
		{"altered", func() { write(t, one, "One") }, "1\" has changed"},
		{"removed", func() { _ = os.Remove(one) }, "\"1\" is missing"},
		{"added", func() { write(t, one, "one"); write(t, filepath.Join(dir, "3"), "") }, "3\" is new"},
	} {
		c.change()
		err := scan(t, false, dir).Compare(before.Text, before.Digest[:])
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if err := scan(t, false, dir).Compare(nil, before.Digest[:]); err == nil {
		t.Error("no error without the text")
	}
}

func TestContentFromAnyOffset(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"1": "abc", "2": "", "3": "defgh", "4": "i"} {
		write(t, filepath.Join(dir, name), content)
	}
	s := scan(t, false, dir)
	for offset := range int64(10) {
		got, err := io.ReadAll(iotest.OneByteReader(s.Open(offset)))
		if err != nil || !bytes.Equal(got, []byte("abcdefghi")[offset:]) {
			t.Errorf("from %d: %q, %v", offset, got, err)
		}
	}
}

func TestScanRefusesDevices(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs a device")
	}
	if _, err := Scan(t.Context(), []string{"/dev/null"}, false); err == nil || !strings.Contains(err.Error(), "device") {
		t.Errorf("got %v", err)
	}
}

// A push removes what an earlier one left after a loss of power, but not the files of one that runs,
// and nothing that is not of a push.
func TestPushRemovesOldTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-2 * staleAfter)
	for _, name := range []string{".warren-push-OLD-0", ".warren-push-OLD-1~", "my.warren-push-OLD-2", "other"} {
		if err := os.Chtimes(write(t, filepath.Join(dir, name), "old"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, ".warren-push-NEW-0"), "new")
	empty := filepath.Join(dir, ".warren-push-directory")
	if err := errors.Join(os.Mkdir(empty, 0o700), os.Chtimes(empty, at, at)); err != nil {
		t.Fatal(err)
	}
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), "one"))
	if _, err := push(s, s.Open(0), Options{Path: filepath.Join(dir, "file")}); err != nil {
		t.Fatal(err)
	}
	want := []string{".warren-push-NEW-0", ".warren-push-directory", "file", "my.warren-push-OLD-2", "other"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("the directory has %q, want %q", got, want)
	}
}

// Files that may belong to a push that runs stay. The name of the directory is no pattern.
func TestSweepSpool(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data[1]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"push-stdin-old": 2 * staleAfter, "push-stdin-new": 0, "results.db": 2 * staleAfter} {
		file, at := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	SweepSpool(dir)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 || left[0].Name() != "push-stdin-new" || left[1].Name() != "results.db" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestCauseHasNoPath(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/a", Err: syscall.ENOSPC}
	for _, err := range []error{
		syscall.ENOSPC, full, fmt.Errorf("a: %w", full), &os.LinkError{Op: "rename", Old: "/a", New: "/b", Err: syscall.ENOSPC},
		errors.Join(full, fs.ErrClosed), fmt.Errorf("a: %w", errors.Join(nil, full)),
	} {
		if got := Cause(err); got.Error() != syscall.ENOSPC.Error() {
			t.Errorf("%v: %v", err, got)
		}
	}
	if err := Cause(nil); err != nil {
		t.Error(err)
	}
}

// A rename that fails says how many files were written before it. If there are none, nothing stays.
func TestFailedRenameSaysWhatWasWritten(t *testing.T) {
	for _, c := range []struct {
		blocked, want string
		left          []string
	}{
		{"a", "", nil},
		{"b", "; files written before this one: 1", []string{"a"}},
	} {
		t.Run(c.blocked, func(t *testing.T) {
			tree, target := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "new")
			write(t, filepath.Join(tree, "a"), "aaaa")
			write(t, filepath.Join(tree, "b"), "bbbb")
			s := scan(t, false, tree)
			obstacle := filepath.Join(target, c.blocked)
			content := &onRead{s.Open(0), func() { write(t, filepath.Join(obstacle, "file"), "of somebody else") }}
			_, err := push(s, content, Options{Path: target})
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || c.want == "" && strings.Contains(err.Error(), "written") {
				t.Errorf("%v, want one that ends with %q", err, c.want)
			}
			if err := os.RemoveAll(obstacle); err != nil {
				t.Fatal(err)
			}
			if got := names(t, target); !slices.Equal(got, c.left) {
				t.Errorf("left: %q, want %q", got, c.left)
			}
		})
	}
}
