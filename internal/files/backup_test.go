package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A file of the push that has the name of a backup is not overwritten by one.
func TestBackupDoesNotReplaceAFileOfThePush(t *testing.T) {
	dir := t.TempDir()
	tree, host := filepath.Join(dir, "tree"), filepath.Join(dir, "host")
	write(t, filepath.Join(tree, "a"), "new")
	write(t, filepath.Join(tree, "a~"), "pushed")
	s := scan(t, false, tree)
	if _, err := push(s, s.Open(0), Options{Path: host, Backup: true}); err != nil {
		t.Fatalf("without a file to back up: %v", err)
	}
	write(t, filepath.Join(host, "a"), "old")
	_, err := push(s, s.Open(0), Options{Path: host, Backup: true})
	if err == nil || !strings.Contains(err.Error(), "would replace") {
		t.Error(err)
	}
	if read(t, filepath.Join(host, "a")) != "old" || read(t, filepath.Join(host, "a~")) != "pushed" {
		t.Error("a file was changed")
	}
}

// What is in the way of a backup is found before anything is written.
func TestBackupThatIsNotPossibleChangesNothing(t *testing.T) {
	long := strings.Repeat("n", 255)
	for _, name := range []string{"c", long} {
		dir := t.TempDir()
		tree, host := filepath.Join(dir, "tree"), filepath.Join(dir, "host")
		for _, file := range []string{"a", name} {
			write(t, filepath.Join(tree, file), "new")
			write(t, filepath.Join(host, file), "old")
		}
		if name == "c" {
			write(t, filepath.Join(host, "c~", "x"), "")
		}
		s := scan(t, false, tree)
		before := names(t, host)
		_, err := push(s, s.Open(0), Options{Path: host, Backup: true})
		if err == nil || !strings.Contains(err.Error(), "no backup: ") {
			t.Errorf("%.9s: %v", name, err)
		}
		if got := names(t, host); !slices.Equal(got, before) || read(t, filepath.Join(host, "a")) != "old" {
			t.Errorf("%.9s: the host has %q", name, got)
		}
	}
}

// If the file cannot be replaced, the earlier backup stays.
func TestFailedReplacementKeepsTheEarlierBackup(t *testing.T) {
	for _, earlier := range []string{"", "older"} {
		dir := t.TempDir()
		s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
		file := write(t, filepath.Join(dir, "in", "file"), "old")
		want := []string{"file"}
		if earlier != "" {
			write(t, file+"~", earlier)
			want = append(want, "file~")
		}
		target := open(t, s, Options{Path: file, Backup: true})
		w := &writing{Target: target, syncEach: true}
		if err := w.stage(t.Context(), s.Open(0)); err != nil {
			t.Fatal(err)
		}
		w.removeStaged() // so that the rename fails
		if err := w.commit(); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("%q: ", file)) {
			t.Errorf("%v", err)
		}
		if got := names(t, filepath.Dir(file)); !slices.Equal(got, want) || read(t, file) != "old" || earlier != "" && read(t, file+"~") != earlier {
			t.Errorf("%q is left", got)
		}
	}
}

// If only owner and mode change, there is nothing to back up.
func TestBackupIsOfOtherContentOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "two"))
	file := write(t, filepath.Join(dir, "in", "file"), "two")
	write(t, file+"~", "one")
	if err := os.Link(file, filepath.Join(dir, "in", "other name")); err != nil { // so that the file is written again
		t.Fatal(err)
	}
	text, err := push(s, s.Open(0), Options{Path: file, Backup: true, Mode: 0o600})
	if err != nil || !strings.HasPrefix(text, "replaced ") || read(t, file+"~") != "one" {
		t.Errorf("%q, %v, the backup is %q", text, err, read(t, file+"~"))
	}
}

func TestCheckReportsWhatWouldBe(t *testing.T) {
	dir := t.TempDir()
	tree, host := filepath.Join(dir, "tree"), filepath.Join(dir, "host")
	write(t, filepath.Join(tree, "a"), "new")
	write(t, filepath.Join(tree, "b"), "new")
	write(t, filepath.Join(host, "a"), "old")
	s := scan(t, false, tree)
	text, err := push(s, strings.NewReader(""), Options{Path: host, CheckOnly: true})
	if err != nil || !strings.HasSuffix(text, "1 would be created, 1 would be replaced, 1 same\n") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Lstat(filepath.Join(host, "b")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
