package files

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a command of the system. If it fails, it calls failed.
func command(failed func(string, ...any), name string, args ...string) {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		failed("a disk of its own: %s: %v: %s", name, err, out)
	}
}

// mountImage mounts the file of a disk. The options switch off what the system writes on its own:
// now and then, and when a file is replaced.
func mountImage(t *testing.T, failed func(string, ...any), image string) string {
	t.Helper()
	dir := t.TempDir()
	command(failed, "mount", "-t", "ext4", "-o", "loop,commit=3600,noauto_da_alloc", image, dir)
	t.Cleanup(func() { command(t.Errorf, "umount", dir) })
	return dir
}

// When a push ends, the disk has the new files and their names. Up to mostSynced files are synced
// one by one, more by their file system, which may be another than that of the directory that
// confines the push.
func TestPushedFilesSurviveLossOfPower(t *testing.T) {
	for _, c := range []struct {
		files    int
		confined bool // to a directory of another disk
	}{{2, false}, {mostSynced + 1, false}, {mostSynced + 1, true}} {
		files := c.files
		image := filepath.Join(t.TempDir(), "disk")
		write(t, image, "")
		if err := os.Truncate(image, 32<<20); err != nil {
			t.Fatal(err)
		}
		command(t.Skipf, "mkfs.ext4", "-q", "-F", image)
		dir, tree := mountImage(t, t.Skipf, image), t.TempDir()
		for i := range files {
			write(t, filepath.Join(tree, fmt.Sprint(i)), strings.Repeat("new", 10_000))
		}
		write(t, filepath.Join(dir, "0"), "old")
		command(t.Fatalf, "sync", "--file-system", dir)
		s := scan(t, false, tree)
		o := Options{Path: dir}
		if c.confined {
			o.Within = filepath.Dir(dir)
		}
		if _, err := push(s, s.Open(0), o); err != nil {
			t.Fatal(err)
		}
		// A copy of the disk is what a loss of power leaves of it now.
		disk, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.WriteFile(copied, disk, 0o600); err != nil {
			t.Fatal(err)
		}
		left := mountImage(t, t.Fatalf, copied)
		for i := range files {
			if b, err := os.ReadFile(filepath.Join(left, fmt.Sprint(i))); err != nil || string(b) != strings.Repeat("new", 10_000) {
				t.Fatalf("%+v: %d has %d bytes, %v", c, i, len(b), err)
			}
		}
	}
}
