package collect

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Nothing that a host has in a directory stops a collect or blocks it.
func TestCollectReadsOddFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new\nline", "not-\xff-utf8", "star*", `back\slash`} {
		write(t, filepath.Join(dir, name), name)
	}
	write(t, filepath.Join(dir, "empty"), "")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, within := range []string{"", dir} {
		got := collectAll(t, Request{Paths: []string{dir}, Within: within})
		want := "/back\\slash back\\slash, /empty , /new\nline new\nline, /not-\xff-utf8 not-\xff-utf8, /pipe missing, /star* star*"
		if text := strings.ReplaceAll(strings.Join(got, ", "), dir, ""); text != want {
			t.Errorf("within %q: %q", within, text)
		}
		if got := collectAll(t, Request{Paths: []string{dir + `/star\*`, dir + "/not*"}, Within: within}); len(got) != 2 {
			t.Errorf("within %q: %q", within, got)
		}
	}
	if got := collectAll(t, Request{Paths: []string{"/proc/self/status"}}); len(got) != 1 || !strings.HasSuffix(got[0], " bytes") {
		t.Errorf("a file of /proc: %q", got)
	}
}

// A file that cannot be read is missing, and says so: nobody takes it for collected.
func TestCollectReportsFileThatCannotBeRead(t *testing.T) {
	if got := collectAll(t, Request{Paths: []string{"/proc/self/mem", "/proc/self/status"}}); len(got) != 2 || got[0] != "/proc/self/mem missing" {
		t.Errorf("%q", got)
	}
	var archive bytes.Buffer
	c := collector{ctx: t.Context(), left: 1 << 30, out: tar.NewWriter(&archive), seen: map[string]bool{}}
	info, err := os.Stat("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	endless := io.LimitReader(rand.Reader, smallFile+1) // and /proc says that it has 0 bytes
	if err := c.addFile(endless, info, "/proc/large"); err != nil || !strings.Contains(archive.String(), "does not say how long it is") {
		t.Errorf("%v, %.200q", err, archive.String())
	}
}

// Anybody may make a path that is longer than an archive can say. The other files are collected.
func TestCollectReportsPathThatIsTooLong(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	deep := "a"
	for range maxPath/250 + 3 {
		if err := root.Mkdir(deep, 0o700); err != nil {
			t.Fatal(err)
		}
		deep += "/" + strings.Repeat("d", 250)
	}
	write(t, filepath.Join(dir, "z"), "z")
	for _, within := range []string{"", dir} {
		got := collectAll(t, Request{Paths: []string{dir}, Within: within})
		if len(got) != 2 || !strings.HasPrefix(got[0], dir+"/a/ddd") || !strings.HasSuffix(got[0], " missing") || got[1] != dir+"/z z" {
			t.Errorf("within %q: %.300q", within, got)
		}
	}
}
