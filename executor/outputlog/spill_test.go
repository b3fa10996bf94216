package outputlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"warren/internal/datadir"
)

// fullLog keeps output on a disk that takes nothing, until room is called.
func fullLog(t *testing.T) (o *Log, room func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	dir := filepath.Join(t.TempDir(), "output")
	o, err := Open(dir, 1<<20, 0)
	if err == nil {
		err = os.Symlink("/dev/full", o.output.path(o.last+1))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o, func() {
		if err := errors.Join(o.Close(), os.Remove(o.output.path(o.last))); err != nil {
			t.Error(err)
		}
	}
}

func TestOutputIsKeptInMemoryOnFullDisk(t *testing.T) {
	o, room := fullLog(t)
	kept, err := o.Put("job", "stdout", 0, []byte("in memory"))
	if !datadir.IsFull(err) || !datadir.IsFull(o.DiskError()) {
		t.Errorf("put: %v, trouble: %v", err, o.DiskError())
	}
	if got, err := o.Get(kept); err != nil || string(got) != "in memory" {
		t.Errorf("got %q, %v", got, err)
	}
	if o.Recheck(); !datadir.IsFull(o.DiskError()) {
		t.Errorf("checked again: %v", o.DiskError())
	}
	if why := o.JobEnded("job"); !datadir.IsFull(why) {
		t.Errorf("why: %v", why)
	}
	if why := o.JobEnded("another"); why != nil {
		t.Errorf("why of another job: %v", why)
	}

	room()
	if o.Recheck(); o.DiskError() != nil {
		t.Errorf("with room: %v", o.DiskError())
	}
	again, err := o.Put("job", "stdout", 9, []byte("on the disk"))
	if err != nil || again.Segment < 0 {
		t.Errorf("with room: %+v, %v", again, err)
	}
	for r, want := range map[Ref]string{kept: "in memory", again: "on the disk"} {
		if got, err := o.Get(r); err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := Open(o.dir, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if next.Has(kept) || !next.Has(again) {
		t.Errorf("after a restart: %t, %t", next.Has(kept), next.Has(again))
	}
}

// Of one job the first and the last part are kept.
func TestSpillKeepsStartAndEndOfJob(t *testing.T) {
	s := newSpill()
	const chunk, n = 32 << 10, 3 * SpillPerJob / (32 << 10)
	var numbers []int64
	for i := range n {
		numbers = append(numbers, s.put("job", bytes.Repeat([]byte{byte(i)}, chunk), fs.ErrClosed))
	}
	const part = SpillPerJob / 2 / chunk
	for i, number := range numbers {
		data, kept := s.chunks[number]
		if want := i < part || i >= n-part; kept != want || kept && data[0] != byte(i) {
			t.Errorf("chunk %d of %d: kept %t", i, n, kept)
		}
	}
	if s.total != SpillPerJob {
		t.Errorf("%d bytes are kept", s.total)
	}
}

// Of all jobs the newest output is kept, and no more than the bound.
func TestSpillIsBounded(t *testing.T) {
	s := newSpill()
	var numbers []int64
	for i := range 200 {
		job := fmt.Sprint(i)
		for range 4 {
			numbers = append(numbers, s.put(job, make([]byte, 32<<10), fs.ErrClosed))
		}
		s.ended(job)
	}
	const most = spillTotal / (32 << 10)
	for i, number := range numbers {
		if _, kept := s.chunks[number]; kept != (i >= len(numbers)-most) {
			t.Errorf("chunk %d of %d: kept %t", i, len(numbers), kept)
		}
	}
	if s.total != spillTotal || len(s.jobs) != 0 {
		t.Errorf("%d bytes of %d running jobs", s.total, len(s.jobs))
	}
}

// Output that was written to disk and cannot be read back is gone, so that no operator waits
// for it.
func TestUnreadableOutputIsGone(t *testing.T) {
	o, err := Open(t.TempDir(), 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Put("job", "stdout", 0, []byte("data"))
	if err == nil {
		err = errors.Join(o.Close(), os.Truncate(o.output.path(r.Segment), 2))
	}
	if err != nil || !o.Has(r) {
		t.Fatal(err)
	}
	if _, err := o.Get(r); err == nil || o.Has(r) {
		t.Errorf("%v; still there: %t", err, o.Has(r))
	}
}
