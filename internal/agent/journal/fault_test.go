package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren/internal/hint"
)

func never() bool  { return false }
func always() bool { return true }

// failOnce fails the next operation of a kind.
func (d *simDisk) failOnce(op string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = func(o string) error {
		if o != op {
			return nil
		}
		d.fail = nil
		return err
	}
}

func (r *running) appendErr(t testing.TB, m Mode, records ...string) error {
	t.Helper()
	return (<-r.queue(t, m, records...)).Err
}

// TestGroup: what waits while a sync runs is written at once and shares the next.
func TestGroup(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	d.mu.Lock()
	d.fail = func(op string) error {
		if op == "sync" {
			d.fail = nil
			close(entered)
			<-release
		}
		return nil
	}
	d.mu.Unlock()
	first := l.queue(t, Sync, "first")
	<-entered // the disk's lock is held now
	syncs, wrote := d.syncs, d.wrote
	var answers []<-chan Answer
	want := []string{"first"}
	for i := range inboxSize - 1 { // queueing them does not wait
		want = append(want, fmt.Sprint(i))
		answers = append(answers, l.queue(t, Mode(i%2), want[i+1]))
	}
	close(release)
	for _, c := range append(answers, first) {
		if a := <-c; a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	d.mu.Lock()
	if d.syncs != syncs+1 || d.wrote > wrote+2 { // the group, and perhaps its mark
		t.Errorf("%d syncs, %d writes", d.syncs-syncs, d.wrote-wrote)
	}
	d.mu.Unlock()
	l.mustSize(t) // the mark is written
	d.crash(never)
	var got [][]byte
	if _, err := open(d, Options{}, collect(&got)); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, want...)
}

// TestReadOnly: a file system that becomes read-only refuses records and does not end
// the log; once it can be written again, the log goes on.
func TestReadOnly(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, Options{})
	l.append(t, Sync, "before")
	d.mu.Lock()
	d.fail = func(string) error { return errReadOnly }
	d.mu.Unlock()
	for _, m := range []Mode{Sync, Reserved, 0} {
		err := l.appendErr(t, m, strings.Repeat("x", 2*defaultAhead/3))
		if !errors.Is(err, errReadOnly) || errors.Is(err, ErrStopped) || !strings.Contains(hint.Text(err), "hint: mount it writable") {
			t.Errorf("read-only: %v", err)
		}
	}
	d.mu.Lock()
	d.fail = nil
	d.mu.Unlock()
	l.append(t, Sync, "after")
	l.mustSize(t) // the mark is written
	d.crash(never)
	var got [][]byte
	if _, err := open(d, Options{}, collect(&got)); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, "before", "after")
}

// TestUnsynced: what is only written survives the process, and a loss of power
// after the next sync.
func TestUnsynced(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, Options{})
	l.append(t, 0, "one")
	l.append(t, Sync, "two")
	l.append(t, 0, "three")
	d.mu.Lock()
	syncs := d.syncs
	d.mu.Unlock()
	l.append(t, 0, "four")
	d.mu.Lock()
	if d.syncs != syncs {
		t.Error("an append without Sync has synced")
	}
	d.mu.Unlock()
	d.crash(never)
	l2 := startSim(t, d, Options{})
	wantRecords(t, l2.got, "one", "two")
}

// TestWriteError: a write that fails leaves nothing, not even after a loss of
// power, and the log goes on.
func TestWriteError(t *testing.T) {
	for name, coin := range map[string]func() bool{"never": never, "always": always} {
		for _, cause := range []error{errBroken, errDiskFull, errOverQuota} {
			t.Run(fmt.Sprint(name, cause), func(t *testing.T) {
				d := newSimDisk()
				l := startSim(t, d, small)
				l.append(t, Sync, "one")
				l.mustSize(t)
				d.failOnce("write", cause)
				err := l.appendErr(t, 0, strings.Repeat("x", 100), "whole", strings.Repeat("y", 400))
				if !errors.Is(err, cause) || errors.Is(err, ErrFull) != !errors.Is(cause, errBroken) || errors.Is(err, ErrStopped) || !strings.Contains(hint.Text(err), "hint:") {
					t.Errorf("got %v", err)
				}
				d.mu.Lock()
				f := *d.files[fileName]
				d.mu.Unlock()
				crashed := newSimDisk()
				f.disk, f.pending, f.d = slices.Clone(f.disk), slices.Clone(f.pending), crashed
				crashed.durable[fileName] = &f
				crashed.crash(coin)
				var got [][]byte
				if _, err := open(crashed, small, collect(&got)); err != nil {
					t.Fatal(err)
				}
				wantRecords(t, got, "one")
				l.append(t, Sync, "two")
				if err := l.end(); err != nil {
					t.Fatal(err)
				}
				wantRecords(t, startSim(t, d, small).got, "one", "two")
			})
		}
	}
}

// wantStopped wants the log to have ended with cause, and to refuse from then on.
func wantStopped(t *testing.T, l *running, cause error) {
	t.Helper()
	<-l.done
	if _, err := l.Append(t.Context(), nil, 0); !errors.Is(err, ErrStopped) || !errors.Is(err, cause) {
		t.Errorf("Append after the end: %v", err)
	}
	if _, err := l.Rewrite(t.Context(), slices.Values([][]byte{})); !errors.Is(err, ErrStopped) {
		t.Errorf("Rewrite after the end: %v", err)
	}
	if err := l.end(); !errors.Is(err, cause) || !strings.Contains(hint.Text(err), "hint:") {
		t.Errorf("Run: %v", err)
	}
}

func TestRollbackError(t *testing.T) {
	for _, second := range []string{"truncate", "sync"} {
		d := newSimDisk()
		l := startSim(t, d, small)
		l.append(t, Sync, "one")
		l.mustSize(t)
		d.mu.Lock()
		d.fail = func(op string) error {
			if op == "write" || op == second {
				return errBroken
			}
			return nil
		}
		d.mu.Unlock()
		if err := l.appendErr(t, 0, "two"); !errors.Is(err, ErrStopped) || !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		wantStopped(t, l, errBroken)
	}
}

// TestSyncError: the log stops, and does not sync again. What a new Open returns
// it has written anew, although the kernel holds it as clean.
func TestSyncError(t *testing.T) {
	for _, cause := range []error{errBroken, errDiskFull} {
		d := newSimDisk()
		l := startSim(t, d, small)
		l.append(t, Sync, "one")
		l.append(t, 0, "two")
		d.failOnce("sync", cause)
		if err := l.appendErr(t, Sync, "three"); !errors.Is(err, ErrStopped) || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
		wantStopped(t, l, cause)
		d.kill()
		var got [][]byte
		if _, err := open(d, small, collect(&got)); err != nil {
			t.Fatal(err)
		}
		wantRecords(t, got, "one", "two", "three")
		d.crash(never)
		got = nil
		if _, err := open(d, small, collect(&got)); err != nil {
			t.Fatal(err)
		}
		wantRecords(t, got, "one", "two", "three")
	}
}

// TestSyncErrorAtEnd: Run says that what it has answered is not durable.
func TestSyncErrorAtEnd(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, small)
	l.append(t, 0, "one")
	d.failOnce("sync", errBroken)
	if err := l.end(); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// TestRewriteFaults fails each operation of a rewriting. Either the old content
// is in use, and what follows is appended to it, or the log has stopped.
func TestRewriteFaults(t *testing.T) {
	for n := 1; ; n++ {
		d := newSimDisk()
		l := startSim(t, d, small)
		l.append(t, Sync, "old")
		l.mustSize(t)
		failed := ""
		d.mu.Lock()
		left := n
		d.fail = func(op string) error {
			if left--; left == 0 {
				failed = op
				d.fail = nil
				return errBroken
			}
			return nil
		}
		d.mu.Unlock()
		err := l.rewrite(t, "new", strings.Repeat("x", rewriteBlock), "new too")
		d.mu.Lock()
		over := left > 0
		d.fail = nil
		d.mu.Unlock()
		want := []string{"old"}
		switch {
		case errors.Is(err, ErrStopped):
			if failed != "syncdir" {
				t.Errorf("%s: %v", failed, err)
			}
			wantStopped(t, l, errBroken)
			continue
		case err == nil:
			want = []string{"new", strings.Repeat("x", rewriteBlock), "new too"}
		case !errors.Is(err, errBroken) || !strings.Contains(hint.Text(err), "hint:"):
			t.Errorf("%s: %v", failed, err)
		}
		l.append(t, Sync, "after")
		d.mu.Lock()
		if len(d.files) != 1 {
			t.Errorf("%s: %d files", failed, len(d.files))
		}
		d.mu.Unlock()
		d.crash(never)
		var got [][]byte
		if _, err := open(d, small, collect(&got)); err != nil {
			t.Fatalf("%s: %v", failed, err)
		}
		wantRecords(t, got, append(want, "after")...)
		if over {
			if n < 6 {
				t.Errorf("%d operations", n)
			}
			return
		}
	}
}

// TestCreateFaults fails each operation of the making of a journal. The next
// Open makes one, or finds it whole.
func TestCreateFaults(t *testing.T) {
	for n := 1; ; n++ {
		d := newSimDisk()
		d.power = n
		_, err := open(d, small, ignore)
		if err == nil {
			if n < 6 {
				t.Errorf("%d operations", n)
			}
			return
		}
		for name, coin := range map[string]func() bool{"never": never, "always": always} {
			d.crash(coin)
			if _, err := open(d, small, ignore); err != nil {
				t.Errorf("power lost at operation %d, %s: %v", n, name, err)
			}
		}
	}
}

func TestCreateFull(t *testing.T) {
	d := newSimDisk()
	d.capacity = 1 << 20
	if _, err := open(d, Options{}, ignore); !errors.Is(err, ErrFull) || !strings.Contains(hint.Text(err), "hint:") {
		t.Errorf("got %v", err)
	}
	if len(d.files) != 0 {
		t.Errorf("left: %v", d.files)
	}
}

// TestSyncErrorMark: the failed sync was to take a mark to the disk, behind which
// a later process goes on. Nothing of its may be behind a gap.
func TestSyncErrorMark(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, small)
	l.append(t, Sync, "one")
	l.mustSize(t) // the mark is written
	d.failOnce("sync", errBroken)
	if a := <-l.queue(t, Sync); !errors.Is(a.Err, ErrStopped) {
		t.Errorf("got %v", a.Err)
	}
	wantStopped(t, l, errBroken)
	d.kill()
	l = startSim(t, d, small)
	l.append(t, Sync, "two")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	d.crash(never)
	wantRecords(t, startSim(t, d, small).got, "one", "two")
}
