package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/internal/hint"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	made := time.UnixMilli(1_700_000_000_123)
	l := start(t, dir, Options{Now: func() time.Time { return made.Add(99 * time.Microsecond) }})
	wantRecords(t, l.got)
	large := strings.Repeat("x", 300_000)
	l.append(t, Sync, "one", "", "two", strings.Repeat("y", 8))
	l.append(t, 0, large)
	l.append(t, Sync|Reserved, "three")
	a := <-l.queue(t, Sync)
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode().Perm(); runtime.GOOS != "windows" && m != 0o600 {
		t.Errorf("mode %o", m)
	}
	for range 3 {
		l = start(t, dir, Options{})
		wantRecords(t, l.got, "one", "", "two", "yyyyyyyy", large, "three")
		if !l.Created().Equal(made) {
			t.Errorf("created %v, want %v", l.Created(), made)
		}
		if l.Torn() != 0 || l.Size() < a.Size || l.Size() > a.Size+2*frameHead {
			t.Errorf("torn %d, size %d after %d", l.Torn(), l.Size(), a.Size)
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCleanRestart: a log that nobody appends to does not grow.
func TestCleanRestart(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, Options{})
	l.append(t, Sync, "one")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(d.files[fileName].live)
	for range 3 {
		l = startSim(t, d, Options{})
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(before, d.files[fileName].live) {
		t.Error("the file has changed")
	}
}

func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	created := l.Created()
	before := l.queue(t, 0, "before")
	answer, err := l.Rewrite(t.Context(), slices.Values(bytesOf([]string{"kept", "kept too"})))
	if err != nil {
		t.Fatal(err)
	}
	after := l.queue(t, 0, "after")
	for _, c := range []<-chan Answer{before, answer, after} {
		if a := <-c; a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if err := l.rewrite(t, "kept", strings.Repeat("z", MaxRecord+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	l.append(t, Sync, "last")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, dir, "kept", "kept too", "after", "last")

	l = start(t, dir, Options{})
	many := slices.Repeat([]string{strings.Repeat("r", 1000)}, 1000)
	if err := l.rewrite(t, many...); err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, dir, many...)
	l = start(t, dir, Options{})
	if !l.Created().Equal(created) {
		t.Error("a rewriting changes the time of creation")
	}
	if err := l.rewrite(t); err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, dir)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 { // the log and its lock
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestTooLarge(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	l.append(t, Sync, strings.Repeat("x", MaxRecord))
	if _, err := l.Append(t.Context(), [][]byte{make([]byte, MaxRecord+1)}, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestReplayError(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, 0, "one", "two")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("not understood")
	_, err := Open(dir, Options{}, func(r []byte) error {
		if string(r) == "two" {
			return mine
		}
		return nil
	})
	if !errors.Is(err, mine) || !strings.Contains(err.Error(), "record at byte 96") {
		t.Errorf("got %v", err)
	}
	wantIn(t, dir, "one", "two") // and the lock is free
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	for _, again := range []func() error{
		func() error { _, err := Open(dir, Options{}, ignore); return err },
		func() error { _, err := Reset(dir); return err },
	} {
		if err := again(); !errors.Is(err, ErrLocked) || !strings.Contains(hint.Text(err), "hint:") {
			t.Errorf("got %v", err)
		}
	}
	l.append(t, Sync, "mine")
}

// A killed agent's lock may be held for a moment longer, by a child that it was about
// to start.
func TestLockThatIsGivenUpSoon(t *testing.T) {
	dir := t.TempDir()
	lock, err := acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		again, err := acquire(dir)
		if err == nil {
			err = again.Unlock()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("not waited for: %v", err)
	case <-time.After(lockTimeout / 10):
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestReset(t *testing.T) {
	dir := t.TempDir()
	if aside, err := Reset(dir); aside != "" || err != nil {
		t.Errorf("nothing to reset: %q, %v", aside, err)
	}
	seen := map[string]bool{}
	for range 3 { // within one second too
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}, ignore); !errors.Is(err, ErrDamaged) || !strings.Contains(hint.Text(err), "hint:") || !strings.Contains(hint.Text(err), "--reset-journal") {
			t.Errorf("got %v", err)
		}
		aside, err := Reset(dir)
		if err != nil || seen[aside] || !strings.Contains(aside, "journal.log.damaged-2") {
			t.Errorf("got %q, %v", aside, err)
		}
		seen[aside] = true
		if b, err := os.ReadFile(aside); string(b) != "rubbish" || err != nil {
			t.Errorf("%s: %q, %v", aside, b, err)
		}
		l, err := Open(dir, Options{}, ignore)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}

// TestStopped: whatever is sent while Run ends is carried out and answered, or
// refused.
func TestStopped(t *testing.T) {
	for range 50 {
		dir := t.TempDir()
		l := start(t, dir, Options{})
		stored := make(chan []string)
		for s := range 4 {
			go func() {
				var mine []string
				for i := 0; ; i++ {
					record := string(rune('a'+s)) + strings.Repeat("i", i%7)
					answer, err := l.Append(context.Background(), [][]byte{[]byte(record)}, Mode(i)%2)
					if err == nil {
						err = (<-answer).Err
					}
					if err == nil {
						mine = append(mine, record)
						continue
					}
					if !errors.Is(err, ErrStopped) {
						t.Errorf("got %v", err)
					}
					stored <- mine
					return
				}
			}()
		}
		l.append(t, 0, "x")
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		want := map[byte][]string{'x': {"x"}}
		for range 4 {
			if mine := <-stored; len(mine) > 0 {
				want[mine[0][0]] = mine
			}
		}
		got := map[byte][]string{}
		again, err := Open(dir, Options{}, func(r []byte) error {
			got[r[0]] = append(got[r[0]], string(r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
		for s, mine := range want {
			if !slices.Equal(got[s], mine) {
				t.Fatalf("%c: %d answered, %d there", s, len(mine), len(got[s]))
			}
		}
	}
}

// TestContext: a full queue does not hold its sender.
func TestContext(t *testing.T) {
	l, err := Open(t.TempDir(), Options{}, ignore) // without Run
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range inboxSize {
		if _, err := l.Append(t.Context(), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ctx, nil, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
