package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"warren/internal/files"
)

// linksToThemselves makes a directory in which each level of wildcards has n times the matches of the
// one before.
func linksToThemselves(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		if err := os.Symlink(".", filepath.Join(dir, string(rune('a'+i)))); err != nil {
			t.Skip(err)
		}
	}
	return dir
}

// A pattern takes memory for no more matches than a collect may have files, whatever a user of the host
// has made.
func TestWildcardsAreBounded(t *testing.T) {
	dir := linksToThemselves(t, 12)
	write(t, filepath.Join(dir, "z"), "z")
	for _, c := range []struct {
		pattern, within string
		want            error
	}{
		{"*/*/*/*/*", "", ErrTooManyFiles},
		{"*/*/*/*/*/none", "", ErrTooManyFiles}, // they match no file
		{"a/b/*/[a-l]/c/z", dir, nil},
	} {
		var archive bytes.Buffer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := Archive(t.Context(), Request{Paths: []string{filepath.Join(dir, c.pattern)}, Within: c.within, MaxSize: 1 << 20, MaxArchive: 1 << 20}, &archive)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.pattern, err, c.want)
		}
		t.Logf("%s: %d MiB were allocated", c.pattern, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

// Long names take much memory before there are many of them.
func TestWildcardsMatchPathsOfBoundedLength(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("d", 250)
	if err := os.Symlink(".", filepath.Join(dir, long)); err != nil {
		t.Skip(err)
	}
	for i := range 12 {
		if err := os.Symlink(".", filepath.Join(dir, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	pattern := filepath.FromSlash(strings.Repeat(long+"/", 10) + "*/*/*/*") // 28,561 matches of 2.5 KB
	if _, err := (tree{base: dir}).glob(t.Context(), pattern); !errors.Is(err, errPathsTooLong) {
		t.Errorf("%v", err)
	}
}

// Links to directories above have any number of names below them that do not match.
func TestWildcardsCompareABoundedNumberOfNames(t *testing.T) {
	dir := linksToThemselves(t, 10)
	g := globbing{tree: tree{base: dir}, ctx: t.Context(), left: 10 + 10*10 - 1}
	pattern := filepath.FromSlash("*/none*")
	if _, err := g.matches(pattern); !errors.Is(err, errTooManyNames) {
		t.Errorf("%v", err)
	}
	g.left = 10 + 10*10
	if matches, err := g.matches(pattern); err != nil || len(matches) > 0 {
		t.Errorf("%q, %v", matches, err)
	}
}

// A directory of any size may be read, if few of its names are chosen.
func TestLargeDirectoryIsReadInParts(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 3*entriesAtOnce + 7 {
		name := fmt.Sprintf("%d", i)
		write(t, filepath.Join(dir, name), "")
		want = append(want, name)
	}
	slices.Sort(want)
	all := func(fs.DirEntry) bool { return true }
	tr := tree{base: dir}
	for _, c := range []struct {
		most   int
		choose func(fs.DirEntry) bool
		names  []string
		err    error
	}{
		{len(want), all, want, nil},
		{len(want) - 1, all, nil, ErrTooManyFiles},
		{2, func(e fs.DirEntry) bool { return len(e.Name()) == 1 && e.Name() < "2" }, []string{"0", "1"}, nil},
	} {
		if names, unreadable, err := tr.names(t.Context(), ".", c.most, c.choose); !slices.Equal(names, c.names) || unreadable != nil || !errors.Is(err, c.err) {
			t.Errorf("at most %d: %d names, %v, %v", c.most, len(names), unreadable, err)
		}
	}
	if _, unreadable, err := tr.names(t.Context(), "none", 1, all); unreadable == nil || err != nil {
		t.Errorf("a directory that does not exist: %v, %v", unreadable, err)
	}
	c := collector{ctx: t.Context(), onlySize: true, left: 1, seen: map[string]bool{}, waiting: files.MaxEntries - len(want)}
	if err := c.addDirectory(tr, "."); err != nil || c.waiting != files.MaxEntries-len(want) {
		t.Errorf("a directory with as many names as may wait: %v", err)
	}
	c.waiting++
	if err := c.addDirectory(tr, "."); !errors.Is(err, ErrTooManyFiles) {
		t.Errorf("directories with more names than may wait: %v", err)
	}
}
