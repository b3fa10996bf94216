package executor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/executor/stats"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// status asks the rig's loop.
func (r *rig) status() *Status {
	r.t.Helper()
	s, err := r.agent.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestStatusCountsJobsAndRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		if s := r.status(); s.Running+s.Waiting+s.Remembered != 0 || s.Workers != 1 || s.Queue != 2 || s.Stopping || s.Names != nil {
			t.Errorf("at the start: %+v", s)
		}
		for range 4 { // one runs, two wait, one is refused
			task, job := ids()
			r.send(wire.TypeRun, task, job)
		}
		<-r.started
		r.deliver(wire.TypeRun, "", []byte("not JSON"))
		synctest.Wait() // the journal has the refusal
		s := r.status()
		if s.Running != 1 || s.Waiting != 2 || s.Remembered != 4 {
			t.Errorf("%d run, %d wait, %d are remembered", s.Running, s.Waiting, s.Remembered)
		}
		if s.Stats.Ended[wire.Rejected] != 1 || s.Stats.Refused[stats.QueueFull] != 1 || s.Stats.Refused[stats.Malformed] != 1 {
			t.Errorf("ended %v, refused %v", s.Stats.Ended, s.Stats.Refused)
		}
		if last := s.Stats.LastRefusals; len(last) != 2 || last[0].Detail != "queue full: 1 jobs run and 2 wait" || last[0].Job == "" {
			t.Errorf("last refusals: %+v", last)
		}
		for range 3 {
			r.finish <- exited(0)
		}
		for range 4 {
			next[*wire.Ended](r)
		}
		if s := r.status(); s.Running+s.Waiting != 0 || s.Stats.Ended[wire.Exited] != 3 {
			t.Errorf("at the end: %d run, %d wait, ended %v", s.Running, s.Waiting, s.Stats.Ended)
		}
	})
}

func TestStatusHasClockOffsetOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(-20 * time.Second) } })
		defer r.close()
		task, job := ids()
		r.send(wire.TypeStatus, task, job)
		s := r.status()
		if best, ok := s.Stats.BestClockOffset(); !ok || best != 20*time.Second {
			t.Errorf("offset %v, %v; the operator's clock is 20s ahead", best, ok)
		}
		next[*wire.State](r)
	})
}

// The watchdog and monitoring rely on the status: a loop that is stuck must not answer.
func TestStatusOfStuckLoopIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		r := newRig(t, func(c *Config) {
			c.Facts = func() wire.Facts { // the loop collects facts at its start
				<-stuck
				return wire.Facts{}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if s, err := r.agent.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", s, err)
		}
		close(stuck)
		r.status()
		r.close()
	})
}

// 100 status requests a second must not cause 100 writes a second.
func TestStatusTriesFailedDiskSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		kept, err := outputlog.Open(dir+"/output", 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		keeper := outputKeeper{Log: kept, log: slog.New(slog.DiscardHandler)}
		if err := os.Remove(dir + "/output"); err != nil { // so no file can be made in it
			t.Fatal(err)
		}
		keeper.keep(&jobtable.Job{ID: "job", Run: new(wire.Run)}, process.Chunk{Stream: wire.Stdout, Data: []byte("x")})
		keeper.diskAt(nil, time.Now())
		if keeper.DiskError() == nil {
			t.Fatal("the output was written")
		}
		if err := os.Mkdir(dir+"/output", 0o700); err != nil {
			t.Fatal(err)
		}
		if keeper.diskAt(nil, time.Now()); keeper.DiskError() == nil {
			t.Error("tried again at once")
		}
		time.Sleep(recheckInterval)
		if keeper.diskAt(nil, time.Now()); keeper.DiskError() != nil {
			t.Errorf("not tried again after %v: %v", recheckInterval, keeper.DiskError())
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStatusNamesAreThoseOfSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		for n := range 2 {
			over := make(chan struct{})
			r.agent.sessions <- connection{[]string{"web01", "www"}, over}
			if s := r.status(); len(s.Names) != 2 || s.Stats.Sessions != n+1 {
				t.Errorf("names %q, %d sessions", s.Names, s.Stats.Sessions)
			}
			close(over)
			synctest.Wait()
			if s := r.status(); s.Names != nil {
				t.Errorf("names %q without a session", s.Names)
			}
		}
	})
}
