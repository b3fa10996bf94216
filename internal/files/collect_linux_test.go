package files

import (
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
		got := collectAll(t, Collection{Paths: []string{dir}, Within: within})
		want := "/back\\slash back\\slash, /empty , /new\nline new\nline, /not-\xff-utf8 not-\xff-utf8, /pipe missing, /star* star*"
		if text := strings.ReplaceAll(strings.Join(got, ", "), dir, ""); text != want {
			t.Errorf("within %q: %q", within, text)
		}
		if got := collectAll(t, Collection{Paths: []string{dir + `/star\*`, dir + "/not*"}, Within: within}); len(got) != 2 {
			t.Errorf("within %q: %q", within, got)
		}
	}
	if got := collectAll(t, Collection{Paths: []string{"/proc/self/status"}}); len(got) != 1 || !strings.HasSuffix(got[0], " bytes") {
		t.Errorf("a file of /proc: %q", got)
	}
}
