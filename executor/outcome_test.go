package executor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

func TestOutcomeSaysWhatEndedTheCommand(t *testing.T) {
	canceled, cancel := context.WithCancelCause(context.Background())
	cancel(errCanceled)
	stopped, stop := context.WithCancelCause(context.Background())
	stop(errStopped)
	root := process.Process{PID: 812, User: "root", Name: "sleep"}
	java := process.Process{PID: 4711, User: "app", Name: "java"}
	failed := errors.New("process 812 (sleep) of root could not be signaled")
	for _, c := range []struct {
		name         string
		ctx          context.Context
		result       process.Result
		outcome      wire.Outcome
		killed, left int
		reason       string
	}{
		{"exit", context.Background(), process.Result{}, wire.Exited, 0, 0, ""},
		{
			"exit with a background process", context.Background(),
			process.Result{Left: []process.Process{java}, LeftCount: 1},
			wire.Exited, 0, 1, "1 background process keeps running: 4711 (java) of app",
		},
		{
			"exit with many", context.Background(),
			process.Result{Left: []process.Process{java, root, {PID: 7}, {PID: 8, Name: "x"}}, LeftCount: 8, HeldOpen: true},
			wire.Exited, 0, 8, "8 background processes keep running: 4711 (java) of app, 812 (sleep) of root, 7 and 5 more; a process that it left behind holds its output open and may print more",
		},
		{
			"exit, and leftovers killed", context.Background(),
			process.Result{Killed: 2, Left: []process.Process{root}, LeftCount: 1},
			wire.Exited, 2, 1, "2 background processes were killed; 1 background process keeps running: 812 (sleep) of root",
		},
		{
			"exit of its own after a cancel that failed", canceled,
			process.Result{StopError: failed},
			wire.Exited, 0, 0, "a request to end it failed: process 812 (sleep) of root could not be signaled",
		},
		{
			"signal", context.Background(),
			process.Result{Signal: "SIGSEGV", Left: []process.Process{java}, LeftCount: 1},
			wire.Signaled, 0, 1, "1 background process keeps running: 4711 (java) of app",
		},
		{"timeout", context.Background(), process.Result{TimedOut: true, Killed: 3}, wire.TimedOut, 3, 0, "still running after 2s"},
		{
			"timeout with a survivor", context.Background(),
			process.Result{TimedOut: true, Killed: 3, Left: []process.Process{root}, LeftCount: 1},
			wire.TimedOut, 3, 1, "still running after 2s; 1 process could not be ended and lives on: 812 (sleep) of root",
		},
		{
			"cancel with two survivors", canceled,
			process.Result{Canceled: true, Killed: 1, Left: []process.Process{root, java}, LeftCount: 2},
			wire.Canceled, 1, 2, "stopped while it ran; 2 processes could not be ended and live on: 812 (sleep) of root, 4711 (java) of app",
		},
		{
			"agent's stop with survivors that nobody could name", stopped,
			process.Result{Canceled: true, Killed: 1, LeftCount: 2},
			wire.Interrupted, 1, 2, "the agent was stopped; 2 processes could not be ended and live on",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.result.Started = true
			e := outcome(c.ctx, &wire.Run{TimeoutMS: 2000}, c.result)
			if e.Outcome != c.outcome || e.Killed != c.killed || e.Left != c.left || e.Reason != c.reason {
				t.Errorf("got %s, %d killed, %d left: %s", e.Outcome, e.Killed, e.Left, e.Reason)
			}
			if (e.ExitCode != nil) != (c.outcome == wire.Exited) {
				t.Errorf("exit code %v", e.ExitCode)
			}
		})
	}
}

// The names of processes and users are arbitrary, and must not make a result that the operator
// cannot decode.
func TestReasonWithStrangeProcessNamesIsSent(t *testing.T) {
	odd := process.Process{PID: 1, Name: "\x1b[2J\xff\n" + strings.Repeat("x", 4000), User: "\u202e" + strings.Repeat("y", 4000)}
	e := outcome(context.Background(), &wire.Run{}, process.Result{Started: true, Left: []process.Process{odd, odd, odd, odd}, LeftCount: 1 << 20})
	e.Job, e.Agent, e.StartedAt, e.EndedAt = "0b1c2d3e-4f50-4a6b-8c7d-000000000001", "web01", 1, 2
	typ, body, err := wire.EncodeReply(e)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := wire.DecodeReply(typ, body, nil, e.Job); err != nil || v.(*wire.Ended).Left != 1<<20 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestResultCountsProcessesAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		var specs []process.Spec
		r := newRigOn(t, d, func(c *Config) {
			run := c.Runner
			c.Runner = func(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
				specs = append(specs, s)
				return run(ctx, s, started, out)
			}
		})
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		res := exited(0)
		res.Killed, res.Left, res.LeftCount = 2, []process.Process{{PID: 9, Name: "java"}}, 1
		r.finish <- res
		e := next[*wire.Ended](r)
		if e.Killed != 2 || e.Left != 1 {
			t.Errorf("told %+v", e)
		}
		r.close()
		if specs[0].Mark != mark(job) || specs[0].KillLeftovers {
			t.Errorf("ran %+v", specs[0])
		}
		if again := tableFrom(t, d.written()).Job(job); again.Result.Killed != 2 || again.Result.Left != 1 || again.Result.Reason != e.Reason {
			t.Errorf("after a restart %+v", again.Result)
		}
	})
}

func TestRecoveryCountsProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.CodePage = func() int { return 936 }
			c.Survivors = func(process.Identity, string, time.Duration) (process.Survivors, error) {
				return process.Survivors{Killed: 2, Left: []process.Process{{PID: 812, User: "root", Name: "sleep"}}, LeftCount: 1}, nil
			}
		})
		defer r.close()
		before := jobtable.New(r.agent.cfg.tableOptions())
		before.Start(time.Time{}, true, r.agent.cfg.now())
		time.Sleep(time.Hour)
		now := time.Now()
		j, _ := before.Accept(r.order(wire.TypeRun), "", false, now)
		before.Begin(j, j.Run, 65001, now)
		before.ProcessStarted(j, &process.Identity{PID: 7, Start: "x"}, now)
		b := tableFrom(t, before.Commit(now, true).Records)
		j = b.Job(j.ID)
		kept, err := outputlog.Open("", 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		newLoop(r.agent, b, kept, &disk{}).recover(now)
		if j.Result.Outcome != wire.Interrupted || j.Result.Killed != 2 || j.Result.Left != 1 || j.Result.StartedAt == 0 ||
			j.Result.Reason != "the agent or its machine went down while it ran; what was left of it has been killed; 1 process could not be ended and lives on: 812 (sleep) of root" {
			t.Errorf("%+v", j.Result)
		}
		if j.Result.CodePage != 65001 { // PowerShell printed UTF-8, whatever the page is after the start
			t.Errorf("code page %d", j.Result.CodePage)
		}
	})
}

// A command without a timeout may run for longer than results are kept.
func TestRunningJobIsNeverForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		next[*wire.Started](r)
		time.Sleep(4 * DefaultRetention)
		other, unseen := ids()
		r.send(wire.TypeCancel, other, unseen) // which has the journal forget what is old
		next[*wire.Ended](r)
		r.send(wire.TypeStatus, task, job)
		if s := next[*wire.State](r); s.State != wire.StateRunning || s.StartedAt == 0 {
			t.Errorf("after %s: %+v", 4*DefaultRetention, s)
		}
		next[*wire.Started](r) // sent once more to the operator that asks
		r.finish <- exited(0)
		if e := next[*wire.Ended](r); e.Job != job || e.EndedAt-e.StartedAt < (4*DefaultRetention).Milliseconds() {
			t.Errorf("%+v", e)
		}
	})
}
