package results

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/hint"
	"warren/internal/testlab/disk"

	"golang.org/x/sys/unix"
)

// If the disk is full when the store closes, Close reports it, the log keeps what was
// stored, and the next process completes the file.
func TestCloseOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", 16<<20)); err != nil {
		t.Skipf("needs a small disk, and mounting one is not permitted: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r := &running{Store: s}
	task, jobs := newTask(1)
	r.add(t, task, jobs)
	r.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, strings.Repeat("x", 900_000))})
	filler := filepath.Join(dir, "filler")
	if err := disk.Fill(filler); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	err = s.Close()
	if err == nil || !strings.Contains(err.Error(), "the disk is full") || !strings.Contains(hint.First(err), "nothing is lost") {
		t.Errorf("Close: %v", err)
	}
	if logSize(t, dir) == 0 {
		t.Error("the log is gone")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	wantTasks(t, dir, task.ID)
	if logSize(t, dir) != 0 {
		t.Error("the next process has not completed the file")
	}
	wantTasks(t, copied(t, dir), task.ID)
}
