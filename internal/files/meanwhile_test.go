package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sync/errgroup"
)

// open compares a source with the host.
func open(t *testing.T, s *Source, o Options) *Target {
	t.Helper()
	target, err := Open(&s.Manifest, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

func report(target *Target) string {
	var text strings.Builder
	target.Report(&text)
	return text.String()
}

// Another program makes the file while the content comes. The push replaces that one, and says so.
func TestFileThatAppearsDuringThePushIsBackedUp(t *testing.T) {
	for _, before := range []string{"", "old"} {
		dir := t.TempDir()
		s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
		file := filepath.Join(dir, "in", "file")
		write(t, filepath.Join(dir, "in", "other"), "")
		if before != "" {
			write(t, file, before)
		}
		content := &onRead{s.Open(0), func() {
			write(t, file+".new", "of the other program")
			if err := os.Rename(file+".new", file); err != nil {
				t.Error(err)
			}
		}}
		text, err := push(s, content, Options{Path: file, Backup: true})
		if err != nil || !strings.HasPrefix(text, "replaced ") || read(t, file) != "new" || read(t, file+"~") != "of the other program" {
			t.Errorf("before %q: %q, %v: %q", before, text, err, names(t, filepath.Dir(file)))
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		content = &onRead{s.Open(0), func() {
			if err := os.MkdirAll(file, 0o755); err != nil {
				t.Error(err)
			}
		}}
		if _, err := push(s, content, Options{Path: file}); err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("a directory: %v", err)
		}
	}
}

// A file that is removed during the push is created.
func TestFileThatDisappearsDuringThePushIsCreated(t *testing.T) {
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
	file := write(t, filepath.Join(dir, "in", "file"), "old")
	text, err := push(s, &onRead{s.Open(0), func() { _ = os.Remove(file) }}, Options{Path: file, Backup: true})
	if err != nil || !strings.HasPrefix(text, "created ") || read(t, file) != "new" || len(names(t, filepath.Dir(file))) != 1 {
		t.Errorf("%q, %v", text, err)
	}
}

// Pushes of one new tree at the same time: one finds the directories that the other has made.
func TestTwoPushesOfOneNewTreeAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(dir, "tree", fmt.Sprint("d", i), "e", "file"), "new")
	}
	s := scan(t, false, filepath.Join(dir, "tree"))
	for i := range 20 {
		o := Options{Path: filepath.Join(dir, "host", fmt.Sprint(i)), Mkdir: true}
		targets := []*Target{open(t, s, o), open(t, s, o), open(t, s, o)}
		var g errgroup.Group
		for _, target := range targets {
			target.sync = func(*os.File) error { return nil } // to meet more often
			g.Go(func() error { return target.Write(t.Context(), s.Open(0)) })
		}
		if err := g.Wait(); err != nil && runtime.GOOS != "windows" { // which refuses to replace an open file
			t.Error(err)
		}
		if got := names(t, o.Path); len(got) != 20 {
			t.Errorf("the host has %q", got)
		}
	}
}

// One finds what the other has made.
func TestTwoPushesOfOneNewTree(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree", "d", "e", "file"), "new")
	s := scan(t, false, filepath.Join(dir, "tree"))
	o := Options{Path: filepath.Join(dir, "host", "app"), Mkdir: true}
	first, second := open(t, s, o), open(t, s, o)
	if err := errors.Join(first.Write(t.Context(), s.Open(0)), second.Write(t.Context(), s.Open(0))); err != nil {
		t.Error(err)
	}
	if got := report(second); !strings.HasSuffix(got, "0 created, 1 replaced, 3 same\n") {
		t.Error(got)
	}
}

// A push that fails removes the directories that it has made, also those that another push has found.
func TestPushMakesDirectoriesAgainThatAnotherHasRemoved(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree", "d", "e", "file"), "new")
	s := scan(t, false, filepath.Join(dir, "tree"))
	host := filepath.Join(dir, "host")
	o := Options{Path: host}
	if err := os.Mkdir(host, 0o755); err != nil {
		t.Fatal(err)
	}
	var second *Target
	content := &onRead{iotest.ErrReader(errors.New("lost")), func() { second = open(t, s, o) }}
	if err := open(t, s, o).Write(t.Context(), content); err == nil {
		t.Fatal("no error")
	}
	if got := names(t, host); len(got) > 0 {
		t.Fatalf("the push that failed has left %q", got)
	}
	if err := second.Write(t.Context(), s.Open(0)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(o.Path, "d", "e", "file")); got != "new" || !strings.HasPrefix(report(second), "created ") {
		t.Errorf("%q, %s", got, report(second))
	}
}

// To compare is to write nothing, also with --mkdir.
func TestMkdirMakesNothingBeforeTheContentIsThere(t *testing.T) {
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "source"), "new")
	for _, within := range []string{"", filepath.Join(dir, "host")} {
		if err := os.MkdirAll(filepath.Join(dir, "host"), 0o755); err != nil {
			t.Fatal(err)
		}
		s := scan(t, false, source)
		o := Options{Path: filepath.Join(dir, "host", "x", "y", "file"), Mkdir: true, Within: within}
		target := open(t, s, o)
		if got := names(t, filepath.Join(dir, "host")); len(got) > 0 {
			t.Errorf("the comparison has made %q", got)
		}
		if err := target.Write(t.Context(), strings.NewReader("n")); !errors.Is(err, ErrEndedEarly) {
			t.Error(err)
		}
		if got := names(t, filepath.Join(dir, "host", "x", "y")); len(got) > 0 {
			t.Errorf("a push that failed has left %q", got)
		}
		if err := target.Write(t.Context(), s.Open(0)); err != nil || read(t, o.Path) != "new" {
			t.Error(err)
		}
		target.Close() // for Windows
		if err := os.RemoveAll(filepath.Join(dir, "host")); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that is slow to sync does not keep a canceled push from removing its files.
func TestCanceledPushDoesNotWaitForASync(t *testing.T) {
	for _, files := range []int{1, mostSynced + 1} {
		dir := t.TempDir()
		for i := range files {
			write(t, filepath.Join(dir, "tree", fmt.Sprint(i)), "new")
		}
		s := scan(t, false, filepath.Join(dir, "tree"))
		target := open(t, s, Options{Path: filepath.Join(dir, "target")})
		ctx, cancel := context.WithCancel(t.Context())
		blocked, end := make(chan struct{}), make(chan struct{})
		target.sync = func(*os.File) error { cancel(); <-end; close(blocked); return nil }
		if files > mostSynced {
			close(blocked)
			cancel() // a file system cannot be held up
		}
		if err := target.Write(ctx, s.Open(0)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"tree"}) {
			t.Errorf("left: %q", got)
		}
		close(end)
		<-blocked
	}
}

// The two names of a push are one on a file system that ignores case, as on macOS. A second name of
// the file stands for that.
func TestNamesThatAreOneOnThisFileSystem(t *testing.T) {
	dir := t.TempDir()
	tree, host := filepath.Join(dir, "tree"), filepath.Join(dir, "host")
	write(t, filepath.Join(tree, "README"), "upper")
	write(t, filepath.Join(tree, "readme.txt"), "lower")
	s := scan(t, false, tree)
	target := open(t, s, Options{Path: host})
	w := &writing{Target: target, syncEach: true}
	if err := w.stage(t.Context(), s.Open(0)); err != nil {
		t.Fatal(err)
	}
	upper, lower := &target.steps[1], &target.steps[2]
	if err := w.replace(upper, target.at(upper.entry)); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(host, "README"), filepath.Join(host, "readme.txt")); err != nil {
		t.Fatal(err)
	}
	err := w.replace(lower, target.at(lower.entry))
	if err == nil || !strings.Contains(err.Error(), "are the same name") || read(t, filepath.Join(host, "README")) != "upper" {
		t.Errorf("%v", err)
	}
	w.discard()
}

func TestErrorNamesTheFileAndNotTheTemporaryOne(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it needs a directory in which nobody can write")
	}
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), "new"))
	_, err := push(s, s.Open(0), Options{Path: "/proc/new"})
	if err == nil || !strings.HasPrefix(err.Error(), `"/proc/new": `) || strings.Contains(err.Error(), tempPrefix) {
		t.Error(err)
	}
}
