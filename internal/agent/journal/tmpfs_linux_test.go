package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren/internal/hint"
)

// smallDisk mounts a file system of that many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes all the room that there is.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := 64 << 10; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			n /= 2
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFull has somebody else take all room of a real disk: what is reserved
// fits nevertheless, as much as was promised, over a restart, and when there is
// room again the log and its reserve are as before.
func TestDiskFull(t *testing.T) {
	const reserve = 256 << 10
	dir := smallDisk(t, 4<<20)
	o := Options{Reserve: reserve}
	l := start(t, dir, o)
	want := []string{"first"}
	l.append(t, Sync, "first")
	free := fill(t, dir)

	// The room ahead may be used, and no more.
	var err error
	for i := 0; err == nil; i++ {
		r := fmt.Sprintf("%d %s", i, strings.Repeat("o", 20_000))
		if err = l.appendErr(t, Sync, r); err == nil {
			want = append(want, r)
		}
	}
	if !errors.Is(err, ErrFull) || errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	if err := l.rewrite(t, want...); !errors.Is(err, ErrFull) {
		t.Errorf("rewrite: %v", err)
	}
	for err = nil; err == nil; { // to the last byte that is for ordinary ones
		if err = l.appendErr(t, 0, "small"); err == nil {
			want = append(want, "small")
		}
	}

	refusal := strings.Repeat("r", 100)
	half := reserve / int(frameSize(len(refusal))) / 2
	reserved := func(n int) {
		t.Helper()
		for i := range n {
			m := Reserved
			if i%10 == 0 {
				m |= Sync
			}
			if err := l.appendErr(t, m, refusal); err != nil {
				t.Fatalf("reserved record %d of %d: %v", i, n, err)
			}
			want = append(want, refusal)
		}
	}
	reserved(half)
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, o)
	wantRecords(t, l.got, want...)
	if err := l.appendErr(t, 0, "ordinary"); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	reserved(half - 1)
	for err = nil; err == nil; {
		if err = l.appendErr(t, Sync|Reserved, refusal); err == nil {
			want = append(want, refusal)
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Error(err)
	}

	free()
	l.append(t, Sync, "there is room")
	want = append(want, "there is room")
	free = fill(t, dir)
	reserved(half)
	free()
	if err := l.rewrite(t, "kept"); err != nil {
		t.Fatal(err)
	}
	l.append(t, Sync, "last")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, dir, "kept", "last")
}

// TestDiskFullNew: a new journal is not made where its reserve has no room, and
// leaves nothing behind.
func TestDiskFullNew(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	if _, err := Open(dir, Options{}, ignore); !errors.Is(err, ErrFull) || !strings.Contains(hint.Text(err), "hint:") {
		t.Errorf("got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, fileName+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
