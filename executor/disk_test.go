package executor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/wire"
)

// fullOutputs keeps output on a disk that takes nothing, until room is called.
func fullOutputs(t *testing.T) (o *outputs, room func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	dir := filepath.Join(t.TempDir(), "output")
	o, err := openOutputs(dir, 1<<20, 0)
	if err == nil {
		err = os.Symlink("/dev/full", o.path(o.newest))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	return o, func() {
		if err := errors.Join(o.close(), os.Remove(o.path(o.newest))); err != nil {
			t.Error(err)
		}
	}
}

func TestOutputIsKeptInMemoryOnFullDisk(t *testing.T) {
	o, room := fullOutputs(t)
	kept, err := o.put("job", "stdout", 0, []byte("in memory"))
	if diskOf(err) != wire.DiskFull || diskOf(o.trouble) != wire.DiskFull {
		t.Errorf("put: %v, trouble: %v", err, o.trouble)
	}
	if got, err := o.get(kept); err != nil || string(got) != "in memory" {
		t.Errorf("got %q, %v", got, err)
	}
	if o.recheck(); diskOf(o.trouble) != wire.DiskFull {
		t.Errorf("checked again: %v", o.trouble)
	}
	if why := o.spill.ended("job"); diskOf(why) != wire.DiskFull {
		t.Errorf("why: %v", why)
	}
	if why := o.spill.ended("another"); why != nil {
		t.Errorf("why of another job: %v", why)
	}

	room()
	if o.recheck(); o.trouble != nil {
		t.Errorf("with room: %v", o.trouble)
	}
	again, err := o.put("job", "stdout", 9, []byte("on the disk"))
	if err != nil || again.Segment < 0 {
		t.Errorf("with room: %+v, %v", again, err)
	}
	for r, want := range map[ref]string{kept: "in memory", again: "on the disk"} {
		if got, err := o.get(r); err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	next, err := openOutputs(o.dir, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if next.has(kept) || !next.has(again) {
		t.Errorf("after a restart: %t, %t", next.has(kept), next.has(again))
	}
}

// Of one job the first and the last part are kept.
func TestSpillKeepsFirstAndLastPart(t *testing.T) {
	s := newSpill()
	const chunk, n = 32 << 10, 3 * spillJob / (32 << 10)
	var numbers []int64
	for i := range n {
		numbers = append(numbers, s.put("job", bytes.Repeat([]byte{byte(i)}, chunk), fs.ErrClosed))
	}
	const part = spillJob / 2 / chunk
	for i, number := range numbers {
		data, kept := s.chunks[number]
		if want := i < part || i >= n-part; kept != want || kept && data[0] != byte(i) {
			t.Errorf("chunk %d of %d: kept %t", i, n, kept)
		}
	}
	if s.total != spillJob {
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

// Output that the disk has taken and does not give back is gone, so that nobody waits
// for it.
func TestUnreadableOutputIsGone(t *testing.T) {
	o, err := openOutputs(t.TempDir(), 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.put("job", "stdout", 0, []byte("data"))
	if err == nil {
		err = errors.Join(o.next(), os.Truncate(o.path(r.Segment), 2))
	}
	if err != nil || !o.has(r) {
		t.Fatal(err)
	}
	if _, err := o.get(r); err == nil || o.has(r) {
		t.Errorf("%v; still there: %t", err, o.has(r))
	}
}

// A command's output comes back from a host whose disk is full, with the reason and a
// fact for hosts.
func TestFullDiskIsReported(t *testing.T) {
	kept, room := fullOutputs(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOver(t, kept, &disk{}, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		r.finish <- exited(0, process.Chunk{Stream: wire.Stdout, Data: []byte("/dev/sda1 100%")})
		e := next[*wire.Ended](r)
		if e.Outcome != wire.Exited || string(e.Stdout.Data) != "/dev/sda1 100%" || e.Stdout.Gone || e.Reason != "the host's disk is full" {
			t.Errorf("got %+v with %+v", e, e.Stdout)
		}
		if h := r.discover(); h.Disk != wire.DiskFull {
			t.Errorf("hello says %q", h.Disk)
		}

		task, job = ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		var chunks []process.Chunk
		for i := range int64(3 * spillJob / (32 << 10)) {
			chunks = append(chunks, process.Chunk{Stream: wire.Stdout, Offset: i * 32 << 10, Data: make([]byte, 32<<10)})
		}
		r.finish <- exited(0, chunks...)
		got := 0
		for e = nil; e == nil; {
			switch v := r.reply(broker.Routed).(type) {
			case *wire.Output:
				got += len(v.Data)
			case *wire.Ended:
				e = v
			}
		}
		if want := "the host's disk is full"; got != spillJob || !e.Stdout.Gone || e.Reason != want {
			t.Errorf("%d bytes have come; %q, gone: %t", got, e.Reason, e.Stdout.Gone)
		}

		room()
		if h := r.discover(); h.Disk != wire.DiskOK {
			t.Errorf("with room hello says %q", h.Disk)
		}
		task, job = ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		r.finish <- exited(0, process.Chunk{Stream: wire.Stdout, Data: []byte("50%")})
		if e := next[*wire.Ended](r); string(e.Stdout.Data) != "50%" || e.Reason != "" {
			t.Errorf("with room: %+v", e)
		}
	})
}
