package filesave

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// If the disk is full, nothing of a file is left, the file that it would have replaced stays,
// and a smaller one is still saved.
func TestDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Skipf("needs a small disk, and mounting one is not permitted: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	d, err := Open(dir, "web01")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if f, local := save(t, d, "/large", strings.NewReader("old"), ""); local == "" {
		t.Fatal(f.Failed)
	}
	if f, local := save(t, d, "/large", bytes.NewReader(make([]byte, 3<<20)), ""); local != "" || f.Failed != "cannot save it: no space left on device" {
		t.Errorf("%q", f.Failed)
	}
	if f, local := save(t, d, "/small", strings.NewReader("small"), ""); local == "" {
		t.Error(f.Failed)
	}
	if got := listOf(t, dir); !slices.Equal(got, []string{"web01/large", "web01/small"}) {
		t.Errorf("%q", got)
	}
}
