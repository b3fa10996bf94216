package journal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if arg := os.Getenv(childEnv); arg != "" {
		child(arg)
		return
	}
	goleak.VerifyTestMain(m)
}

// running is a Log with its actor.
type running struct {
	*Log
	got [][]byte // what Open has replayed
	end func() error
}

func ignore([]byte) error { return nil }

func collect(to *[][]byte) func([]byte) error {
	return func(r []byte) error {
		*to = append(*to, slices.Clone(r))
		return nil
	}
}

func start(t testing.TB, dir string, o Options) *running {
	t.Helper()
	r := &running{}
	l, err := Open(dir, o, collect(&r.got))
	if err != nil {
		t.Fatal(err)
	}
	r.Log = l
	r.run(t)
	return r
}

func startSim(t testing.TB, d *simDisk, o Options) *running {
	t.Helper()
	r := &running{}
	l, err := open(d, o, collect(&r.got))
	if err != nil {
		t.Fatal(err)
	}
	r.Log = l
	r.run(t)
	return r
}

// run starts the actor; end ends it, and closes the log.
func (r *running) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	done := false
	r.end = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		err := <-ended
		if cerr := r.Close(); cerr != nil {
			t.Errorf("Close: %v", cerr)
		}
		return err
	}
	t.Cleanup(func() { _ = r.end() })
}

func (r *running) queue(t testing.TB, m Mode, records ...string) <-chan Answer {
	t.Helper()
	answer, err := r.Append(t.Context(), bytesOf(records), m)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (r *running) append(t testing.TB, m Mode, records ...string) {
	t.Helper()
	if a := <-r.queue(t, m, records...); a.Err != nil {
		t.Fatal(a.Err)
	}
}

func (r *running) rewrite(t testing.TB, records ...string) error {
	t.Helper()
	answer, err := r.Rewrite(t.Context(), slices.Values(bytesOf(records)))
	if err != nil {
		t.Fatal(err)
	}
	return (<-answer).Err
}

func bytesOf(records []string) [][]byte {
	var bs [][]byte
	for _, r := range records {
		bs = append(bs, []byte(r))
	}
	return bs
}

func wantRecords(t testing.TB, got [][]byte, want ...string) {
	t.Helper()
	if fmt.Sprintf("%.40q", got) != fmt.Sprintf("%.40q", bytesOf(want)) || !slices.EqualFunc(got, want, func(b []byte, s string) bool { return string(b) == s }) {
		t.Errorf("got %d records %.60q\nwant %d %.60q", len(got), got, len(want), want)
	}
}

// wantIn opens the log of dir once more, and wants these records.
func wantIn(t testing.TB, dir string, want ...string) {
	t.Helper()
	var got [][]byte
	l, err := Open(dir, Options{}, collect(&got))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantRecords(t, got, want...)
}
