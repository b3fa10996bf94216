package filesend

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"warren/internal/broker"
	"warren/internal/testlab/disk"
)

// A full disk takes no new record of a stream, and leaves the last one: without it another process
// would delete the stream while hosts read it.
func TestRecordSurvivesAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := New(dir, broker.Options{})
	defer s.Close()
	want := record{task: "1b4e", sender: "lease"}
	if err := s.write("queue", want); err != nil {
		t.Fatal(err)
	}
	if err := disk.Fill(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := s.write("queue", record{task: "1b4e", sender: "lease", complete: true}); err == nil {
		t.Error("the full disk has taken a record")
	}
	if got, err := s.read("queue"); err != nil || got != want {
		t.Errorf("the record is %+v, %v", got, err)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
