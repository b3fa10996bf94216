package collect

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// collectAll collects paths without limits, and returns what Read reads of it, as lines
// of path and content, missing or failed.
func collectAll(t *testing.T, what Request) (got []string) {
	t.Helper()
	if what.MaxSize == 0 {
		what.MaxSize = 100 << 20
	}
	what.MaxArchive = 100 << 20
	var archive bytes.Buffer
	if err := Archive(context.Background(), what, &archive); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(archive.Bytes(), what.MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func readAll(archive []byte, maxSize int64) (got []string, err error) {
	var text []byte
	err = Read(bytes.NewReader(archive), maxSize, Sink{
		File: func(_ *File, content io.Reader) (err error) {
			text, err = io.ReadAll(content)
			return err
		},
		Done: func(f *File) error {
			switch {
			case f.Missing != "":
				got = append(got, f.Path+" missing")
			case f.Failed != "":
				got = append(got, f.Path+" failed: "+f.Failed)
			case len(text) > 20:
				got = append(got, fmt.Sprintf("%s %d bytes", f.Path, len(text)))
			default:
				got = append(got, fmt.Sprintf("%s %s", f.Path, text))
			}
			return nil
		},
	})
	return got, err
}

func TestCollectArchivesMatchesAndReportsMissingFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs symbolic links")
	}
	dir := t.TempDir()
	logs := filepath.Join(dir, "log")
	write(t, filepath.Join(logs, "a.log"), "a")
	write(t, filepath.Join(logs, ".hidden.log"), "h")
	write(t, filepath.Join(logs, "sub", "b.log"), "bb")
	write(t, filepath.Join(dir, "secret"), "s")
	if err := os.Symlink("../secret", filepath.Join(logs, "out.log")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		within string
		paths  string
		want   string
	}{
		{logs, "/*.log /sub /missing", "/a.log a, /out.log missing, /sub/b.log bb, /missing missing"},
		{"", "/*.log /a.log /?.log /sub/*", "/a.log a, /out.log s, /sub/b.log bb"},
		{"", "/.*.log /none/*.log", "/.hidden.log h, /none/*.log missing"},
		{logs, "", "/.hidden.log h, /a.log a, /sub/b.log bb"},
	} {
		var paths []string
		for p := range strings.SplitSeq(c.paths, " ") {
			paths = append(paths, logs+p)
		}
		got := collectAll(t, Request{Paths: paths, Within: c.within})
		if text := strings.ReplaceAll(strings.Join(got, ", "), logs, ""); text != c.want {
			t.Errorf("%s within %q: %s", c.paths, c.within, text)
		}
	}
	if err := Archive(context.Background(), Request{Paths: []string{logs + "/../secret"}, Within: logs, MaxSize: 10, MaxArchive: 1 << 20}, io.Discard); err == nil {
		t.Error("a path that leads out was collected")
	}
}

// The beginning of an archive says how much follows at most, so that a reader can tell how long the
// rest takes.
func TestArchiveBeginsWithItsSize(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), strings.Repeat("a", 3000))
	write(t, filepath.Join(dir, "b.log"), strings.Repeat("b", 70_000))
	for _, c := range []struct {
		paths []string
		want  int64
	}{
		{[]string{dir}, 73_000 + 2*entrySize},
		{[]string{dir + "/*.log", dir + "/a.log", dir + "/none"}, 73_000 + 3*entrySize},
		{[]string{dir + "/none"}, entrySize},
	} {
		var archive bytes.Buffer
		if err := Archive(t.Context(), Request{Paths: c.paths, MaxSize: 1 << 20, MaxArchive: 1 << 20}, &archive); err != nil {
			t.Fatal(err)
		}
		if size, ok := ArchiveSize(archive.Bytes()[:min(300, archive.Len())]); size != c.want || !ok {
			t.Errorf("%q: %d bytes, %v", c.paths, size, ok)
		}
	}
	var small, large bytes.Buffer
	if err := Archive(t.Context(), Request{Paths: []string{dir}, MaxSize: 72_000, MaxArchive: 1 << 20}, &small); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	zip := gzip.NewWriter(&large) // unpacks to much more than it is
	tarred := tar.NewWriter(zip)
	for range 64 {
		err := tarred.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": strings.Repeat("x", 512<<10)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	zip.Close()
	for _, text := range []string{"", "no archive", "\x1f\x8b\x08", small.String(), large.String()} {
		if size, ok := ArchiveSize([]byte(text)); ok {
			t.Errorf("%q: %d bytes", text, size)
		}
	}
}

func TestCollectRefusesWhatIsTooLarge(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "a")
	var archive bytes.Buffer
	write(t, filepath.Join(dir, "c.log"), "ccc")
	if err := Archive(context.Background(), Request{Paths: []string{dir}, MaxSize: 2, MaxArchive: 1 << 20}, &archive); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a directory: %v", err)
	}
	if got, _ := readAll(archive.Bytes(), 2); len(got) != 1 || !strings.HasSuffix(got[0], "/a.log a") {
		t.Errorf("the file before the limit: %q", got)
	}
	write(t, filepath.Join(dir, "b.log"), "bb")
	write(t, filepath.Join(dir, "zero"), strings.Repeat("0", 2<<20))
	if err := Archive(context.Background(), Request{Paths: []string{dir + "/b.log"}, MaxSize: 1, MaxArchive: 1 << 20}, io.Discard); !errors.Is(err, ErrTooLarge) {
		t.Errorf("larger than --max-size: %v", err)
	}
	if err := Archive(context.Background(), Request{Paths: []string{dir + "/zero"}, MaxSize: 3 << 20, MaxArchive: 1 << 20}, io.Discard); err != nil {
		t.Errorf("a file that compresses well: %v", err)
	}
	if err := Archive(context.Background(), Request{Paths: []string{dir + "/zero"}, MaxSize: 3 << 20, MaxArchive: 1 << 10}, io.Discard); !errors.Is(err, ErrArchiveTooLarge) {
		t.Errorf("larger than the host keeps: %v", err)
	}
}

// A file that shrinks while it is read is of no use, and the other files arrive.
func TestCollectReportsAFileThatBecomesShorter(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), strings.Repeat("a", 3<<20))
	write(t, filepath.Join(dir, "b"), "b")
	var archive bytes.Buffer
	shrink := func() error { return os.Truncate(filepath.Join(dir, "a"), 1<<20) }
	ctx := &hookedContext{Context: context.Background(), after: 6, hook: shrink}
	if err := Archive(ctx, Request{Paths: []string{dir}, MaxSize: 10 << 20, MaxArchive: 10 << 20}, &archive); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(archive.Bytes(), 10<<20)
	text := strings.ReplaceAll(strings.Join(got, ", "), hostPath(archiveName(dir)), "")
	if err != nil || text != "/a failed: it became shorter while it was read, after 1048576 bytes, /b b" {
		t.Errorf("%s, %v", text, err)
	}
}

// Of a file that grows while it is read, as a log does, the part arrives that was there at first.
func TestCollectTakesAFileAsLongAsItWas(t *testing.T) {
	dir := t.TempDir()
	before := strings.Repeat("a", 3<<20)
	write(t, filepath.Join(dir, "log"), before)
	grow := func() error { return os.WriteFile(filepath.Join(dir, "log"), []byte(before+"more"), 0o600) }
	var archive bytes.Buffer
	ctx := &hookedContext{Context: context.Background(), after: 5, hook: grow}
	if err := Archive(ctx, Request{Paths: []string{dir}, MaxSize: 10 << 20, MaxArchive: 10 << 20}, &archive); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "log"))
	if err != nil || info.Size() != 3<<20+4 {
		t.Fatalf("it did not grow: %v", err)
	}
	sizes := map[string]int64{}
	err = Read(&archive, 10<<20, Sink{Done: func(f *File) error {
		sizes[filepath.Base(f.Path)+f.Failed] = f.Size
		return nil
	}})
	if err != nil || len(sizes) != 1 || sizes["log"] != 3<<20 {
		t.Errorf("%v, %v", sizes, err)
	}
}

// A hookedContext calls hook when it is asked for its error for the last of after times.
type hookedContext struct {
	context.Context
	after int
	hook  func() error
}

func (c *hookedContext) Value(any) any { return nil }

func (c *hookedContext) Err() error {
	if c.after--; c.after == 0 {
		return c.hook()
	}
	return nil
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}
