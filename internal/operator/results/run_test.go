package results

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Updates that wait during a commit share the next transaction.
func TestUpdatesDuringCommitShareNext(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(200)
	s.add(t, task, jobs)
	// The actor is held while they queue up.
	held, free := make(chan struct{}), make(chan struct{})
	if err := s.send(t.Context(), calling(func(*actor) { close(held); <-free })); err != nil {
		t.Fatal(err)
	}
	<-held
	before := s.frames(t)
	var answers []<-chan error
	for _, j := range jobs {
		answers = append(answers, s.queue(t, Update{Job: j.ID, Reply: exited(j, 0, "x")}))
	}
	close(free)
	for _, a := range answers {
		if err := <-a; err != nil {
			t.Fatal(err)
		}
	}
	// Each transaction writes at least three pages: jobs, output, counts.
	if n := s.frames(t) - before; n > 150 {
		t.Errorf("%d pages were written for %d updates", n, len(jobs))
	}
}

// frames is the number of pages in the write-ahead log.
func (r *running) frames(t *testing.T) (n int) {
	t.Helper()
	conn := raw(t, r.dir)
	defer conn.Close()
	err := sqlitex.ExecuteTransient(conn, "PRAGMA wal_checkpoint(NOOP)", &sqlitex.ExecOptions{ResultFunc: func(s *zombiezen.Stmt) error {
		n = s.ColumnInt(1)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A batch ends at its number of updates or of bytes.
func TestBatchIsBounded(t *testing.T) {
	for name, u := range map[string]Update{
		"bytes": {Reply: &wire.Output{Data: make([]byte, 32<<10)}},
		"ended": {Reply: &wire.Ended{Stdout: &wire.Stream{Data: make([]byte, 16<<10)}, Stderr: &wire.Stream{Data: make([]byte, 16<<10)}}},
		"count": {State: model.Sent},
	} {
		inbox := make(chan request, batchUpdates+1)
		for range cap(inbox) {
			inbox <- &applying{updates: []Update{u}}
		}
		var b batch
		for !b.full() {
			b.add((<-inbox).(*applying))
		}
		if want := map[string]int{"bytes": 128, "ended": 128, "count": batchUpdates}[name]; len(b.requests) != want {
			t.Errorf("%s: %d requests, want %d", name, len(b.requests), want)
		}
	}
}

// Run commits and answers what was queued before its context ended.
func TestRunDrainsInbox(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	task, jobs := newTask(inboxSize - 1)
	ctx, cancel := context.WithCancel(t.Context())
	added := make(chan error, 1)
	go func() { added <- second(s.Add(t.Context(), task, jobs)) }()
	for len(s.inbox) == 0 {
		runtime.Gosched()
	}
	var answers []<-chan error
	for _, j := range jobs {
		a, err := s.Apply(t.Context(), []Update{{Job: j.ID, Reply: exited(j, 0, "")}})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		if err := <-a; err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Find(t.Context(), task.ID)
	if err != nil || !got.Done() {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, err := range map[string]error{
		"Apply":  second(s.Apply(t.Context(), nil)),
		"Add":    second(s.Add(t.Context(), task, jobs)),
		"Counts": second(s.Counts(t.Context())),
	} {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestStartStop ends the actor at any moment, while many callers use it. No caller hangs,
// and everything acknowledged is stored.
func TestStartStop(t *testing.T) {
	dir := t.TempDir()
	task, jobs := newTask(50)
	s := start(t, dir)
	s.add(t, task, jobs)
	s.end()
	acked := map[string]bool{}
	for round := range 20 {
		s := start(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var g errgroup.Group
		ended := make([]chan string, 4)
		for i := range ended {
			ended[i] = make(chan string, len(jobs))
			g.Go(func() error { defer close(ended[i]); return work(ctx, s.Store, task.ID, jobs, ended[i]) })
		}
		if round%2 == 0 {
			<-ended[0] // after the first has been stored, or none could be
		}
		s.end() // the callers see ErrStopped
		cancel()
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, ch := range ended {
			for id := range ch {
				acked[id] = true
			}
		}
	}
	s = start(t, dir)
	got, err := s.Jobs(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range got {
		if acked[j.ID] && j.State != model.Ended {
			t.Errorf("acknowledged but not stored: %+v", j)
		}
	}
	s.end()
	consistent(t, dir)
}

// work calls the store until it stops.
func work(ctx context.Context, s *Store, task string, jobs []model.Job, acked chan<- string) error {
	stopped := func(err error) error {
		if errors.Is(err, ErrStopped) || errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	for range len(jobs) {
		j := jobs[rand.IntN(len(jobs))]
		sums, unwatch, err := s.Watch(ctx, task)
		if err != nil {
			return stopped(err)
		}
		defer unwatch()
		<-sums
		_, release, err := s.Follow(ctx, task)
		if err != nil {
			return stopped(err)
		}
		defer release()
		answer, err := s.Apply(ctx, []Update{{Job: j.ID, Reply: exited(j, 0, "output")}})
		if err != nil {
			return stopped(err)
		}
		select {
		case err := <-answer:
			if err != nil {
				return err
			}
			acked <- j.ID
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// A live job needs little memory, an ended one none.
func TestMemoryOfLiveJobs(t *testing.T) {
	const n = 2000
	s := start(t, t.TempDir())
	task, jobs := newTask(n)
	before := heap()
	ps := s.add(t, task, jobs)
	if each := (heap() - before) / n; each > 1024 {
		t.Errorf("%d bytes for each live job", each)
	}
	var us []Update
	for _, j := range jobs {
		us = append(us, Update{Job: j.ID, Outcome: wire.Unreachable})
	}
	s.apply(t, us...)
	left, err := ask(t.Context(), s.Store, func(a *actor) (int, error) { return len(a.live), nil })
	if left != 0 || err != nil {
		t.Errorf("%d ended jobs are still live, %v", left, err)
	}
	runtime.KeepAlive(ps)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// withActor gives f the actor of a new store, whose Run is not called.
func withActor(t *testing.T, opts Options, f func(*actor)) {
	t.Helper()
	s, err := Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f(newActor(s))
}

// An update does not wait for others. Those that are already waiting share its transaction.
func TestWaitingUpdatesShareTransaction(t *testing.T) {
	withActor(t, Options{}, func(a *actor) {
		task, jobs := newTask(100)
		if _, err := a.addTask(task, jobs); err != nil {
			t.Error(err)
		}
		row, hosts, err := a.db.TaskRow(task.ID)
		if err != nil {
			t.Error(err)
		}
		synctest.Test(t, func(t *testing.T) {
			for i, waiting := range []int{0, 3, 10} {
				inbox := make(chan request, waiting)
				answers := make(chan error, waiting+1)
				for _, j := range jobs[1 : waiting+1] {
					inbox <- &applying{[]Update{{Job: j.ID, Reply: exited(j, 0, "")}}, answers}
				}
				begun := time.Now()
				a.take(&applying{[]Update{{Job: jobs[50+i].ID, State: model.Sent}}, answers}, inbox)
				if waited := time.Since(begun); waited != 0 || len(answers) != waiting+1 {
					t.Errorf("with %d behind it: %d answers after %v", waiting, len(answers), waited)
				}
				if sum, err := a.db.Summary(row, hosts); err != nil || sum.Rev != int64(i+1) {
					t.Errorf("with %d behind it: revision %d, want %d, %v", waiting, sum.Rev, i+1, err)
				}
			}
		})
	})
}
