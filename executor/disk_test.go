package executor

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/wire"
)

// fullOutput keeps output on a disk that takes nothing, until room is called.
func fullOutput(t *testing.T) (o *outputlog.Log, room func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	dir := filepath.Join(t.TempDir(), "output")
	first := filepath.Join(dir, "000000000001.output")
	o, err := outputlog.Open(dir, 1<<20, 0)
	if err == nil {
		err = os.Symlink("/dev/full", first)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o, func() {
		if err := errors.Join(o.Close(), os.Remove(first)); err != nil {
			t.Error(err)
		}
	}
}

// A host with a full disk returns the output of a command, and reports the reason in the
// outcome and in its facts.
func TestFullDiskIsReported(t *testing.T) {
	kept, room := fullOutput(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOver(t, kept, &disk{}, nil, nil)
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
		for i := range int64(3 * outputlog.SpillPerJob / (32 << 10)) {
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
		if want := "the host's disk is full"; got != outputlog.SpillPerJob || !e.Stdout.Gone || e.Reason != want {
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
