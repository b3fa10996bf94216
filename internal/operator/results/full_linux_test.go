package results

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/testlab/disk"
	"warren/internal/wire"

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

// If the disk has no room for an archive, nothing of the transaction is stored. With room, the
// same updates are stored.
func TestArchiveOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", 16<<20)); err != nil {
		t.Skipf("needs a small disk, and mounting one is not permitted: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s := start(t, dir)
	_, j := s.newCollect(t, 0)
	all := make([]byte, 4*wire.MaxChunk)
	_, _ = rand.Read(all)
	s.apply(t, part(j, all, 0, wire.MaxChunk))
	filler := filepath.Join(dir, "filler")
	if err := disk.Fill(filler); err != nil {
		t.Fatal(err)
	}
	rest := []Update{part(j, all, wire.MaxChunk, 2*wire.MaxChunk), part(j, all, 2*wire.MaxChunk, len(all)), collected(j, len(all))}
	err := <-s.queue(t, rest...)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(hint.First(err), "nothing is lost") {
		t.Errorf("%v, hint: %s", err, hint.First(err))
	}
	if got := s.job(t, j); got.State == model.Ended || got.Stdout.Kept != wire.MaxChunk {
		t.Errorf("it has stored a part: %s, %+v", got.State, got.Stdout)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.apply(t, rest...)
	after := s.job(t, j)
	if got := s.archive(t, j); !bytes.Equal(got, all) || after.Incomplete() {
		t.Errorf("%d bytes of %d", len(got), len(all))
	}
	s.end()
}
