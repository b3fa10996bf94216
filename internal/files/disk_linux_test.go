package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mount returns a small disk.
func mount(t *testing.T, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", flags, "size=1m,mode=0700"); err != nil {
		t.Skipf("needs a small disk, and mounting a tmpfs is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill creates a file that fills its disk, as another program may.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestFullDiskLeavesTheFileAlone(t *testing.T) {
	dir := mount(t, 0)
	target := write(t, filepath.Join(dir, "file"), "old")
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), strings.Repeat("x", 600_000)))
	unchanged := func() {
		t.Helper()
		if got := names(t, dir); len(got) != 1 || read(t, target) != "old" {
			t.Errorf("the disk has %q", got)
		}
	}
	ballast := filepath.Join(dir, "ballast")
	_, err := push(s, &onRead{s.Open(0), func() { fill(t, ballast) }}, Options{Path: target, Backup: true})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("filled while it was written: %v", err)
	}
	if err := os.Truncate(ballast, 500_000); err != nil {
		t.Fatal(err)
	}
	_, err = push(s, strings.NewReader("not read"), Options{Path: target, Backup: true})
	if err == nil || !strings.HasPrefix(err.Error(), "no space: 604096 bytes are needed, ") {
		t.Errorf("nearly full: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	unchanged()
	if _, err := push(s, s.Open(0), Options{Path: target}); err != nil || read(t, target) == "old" {
		t.Errorf("with room: %v", err)
	}
}

// A file system below the directory that confines the push has room of its own.
func TestRoomIsThatOfTheFileSystemOfEachFile(t *testing.T) {
	small := mount(t, 0)
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), strings.Repeat("x", 2<<20)))
	for _, within := range []string{"", filepath.Dir(small)} {
		for _, o := range []Options{{Path: filepath.Join(small, "file")}, {Path: filepath.Join(small, "new", "file"), Mkdir: true}} {
			o.Within = within
			_, err := push(s, strings.NewReader("not read"), o)
			if err == nil || !strings.HasPrefix(err.Error(), "no space: 2101248 bytes are needed, ") {
				t.Errorf("%+v: %v", o, err)
			}
		}
	}
}

func TestFullDiskKeepsNothingOfStandardInput(t *testing.T) {
	dir := mount(t, 0)
	_, err := Spool(strings.NewReader(strings.Repeat("x", 2<<20)), dir)
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "write "+filepath.Join(dir, "push-stdin-")) {
		t.Errorf("%v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("the disk has %q", got)
	}
}

func TestReadOnlyDiskLeavesTheFileAlone(t *testing.T) {
	dir := mount(t, 0)
	target := write(t, filepath.Join(dir, "file"), "old")
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), "new"))
	if _, err := push(s, s.Open(0), Options{Path: target}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("replaced: %v", err)
	}
	if _, err := push(s, s.Open(0), Options{Path: target, Mode: 0o600}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("with a mode: %v", err)
	}
	if _, err := push(s, s.Open(0), Options{Path: filepath.Join(dir, "new", "file"), Mkdir: true}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("with a directory: %v", err)
	}
	same := scan(t, false, write(t, filepath.Join(t.TempDir(), "same"), "old"))
	if report, err := push(same, bytes.NewReader(nil), Options{Path: target}); err != nil || !strings.HasPrefix(report, Same) {
		t.Errorf("the same: %q, %v", report, err)
	}
}
