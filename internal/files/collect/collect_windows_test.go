package collect

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/files"
)

// Devices have no content. They are missing, as on Unix, and the other files are sent.
func TestCollectOfDevicesOnWindows(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "主机.log"), "a")
	write(t, filepath.Join(dir, "sub", "b.log"), "bb")
	for _, within := range []string{"", dir} {
		got := collectAll(t, Request{Within: within, Paths: []string{
			dir + `\nul`, strings.ToUpper(dir) + `\com1.txt`, dir + `\*.log`, dir + `\主机.log`, filepath.ToSlash(dir) + "/s*/*", dir + `\none`,
		}})
		text := strings.ReplaceAll(strings.ReplaceAll(strings.Join(got, ", "), filepath.ToSlash(dir), ""), filepath.ToSlash(strings.ToUpper(dir)), "")
		if text != "/nul missing, /com1.txt missing, /主机.log a, /sub/b.log bb, /none missing" {
			t.Errorf("within %q: %s", within, text)
		}
	}
	for _, path := range []string{`\\.\PhysicalDrive0`, `//./pipe/x`, `\\?\` + dir, `\no\drive`, `C:a`} {
		if err := Archive(t.Context(), Request{Paths: []string{path}, MaxSize: 10, MaxArchive: 1 << 20}, io.Discard); err == nil {
			t.Errorf("%s was collected", path)
		}
	}
}

// A junction may lead to a directory above, without an end.
func TestCollectDoesNotFollowJunctions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub", "a.log"), "a")
	if out, err := exec.Command("cmd", "/c", "mklink", "/J", filepath.Join(dir, "sub", "above"), dir).CombinedOutput(); err != nil {
		t.Skipf("no junction can be made here: %v: %s", err, out)
	}
	if got := collectAll(t, Request{Paths: []string{dir}}); len(got) != 1 || !strings.HasSuffix(got[0], "/sub/a.log a") {
		t.Errorf("collected %q", got)
	}
	if _, err := files.Scan(t.Context(), []string{dir}, false); err == nil || !strings.Contains(err.Error(), "is a junction") {
		t.Errorf("pushed: %v", err)
	}
}

// A collect reads what the rule permits.
func TestCollectOnWindows(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "log", "a.log"), "a")
	what := Request{Paths: []string{dir + `\log\*.log`, dir + `/log/missing`}, Within: dir, MaxSize: 10, MaxArchive: 1 << 20}
	if err := Archive(t.Context(), what, io.Discard); err != nil {
		t.Error(err)
	}
	what.Paths = []string{dir + `\log\..\..\x`}
	if err := Archive(t.Context(), what, io.Discard); err == nil {
		t.Error("a path that leads out was collected")
	}
}
