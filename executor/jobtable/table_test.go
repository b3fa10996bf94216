package jobtable

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func limits() Options {
	return Options{
		Agent: "web01", Workers: 2, Queue: 2, Jobs: 100,
		Retention: time.Hour, Tolerance: 30 * time.Second,
	}
}

// tableSince returns a table that knows all jobs issued since then.
func tableSince(o Options, since time.Time) *Table {
	o.KnownSince = since
	return New(o)
}

// beginNext begins the next job and returns it; nil if there is none.
func beginNext(b *Table, now time.Time) *Job {
	j := b.Next()
	if j != nil {
		b.Begin(j, j.Run, 0, now)
	}
	return j
}

// run returns a verified run, issued at t0 and valid for a minute.
func run(t testing.TB) *VerifiedRequest {
	t.Helper()
	return question(t, wire.TypeRun, uuid.NewString(), uuid.NewString())
}

func question(t testing.TB, typ, task, job string) *VerifiedRequest {
	t.Helper()
	st := wire.Statement{
		Type: typ, Task: task, IssuedAt: t0.UnixMilli(), NotAfter: t0.Add(time.Minute).UnixMilli(),
		ReplyTo: wire.ReplyQueue("op", "abc"),
	}
	if typ == wire.TypeRun || typ == wire.TypeCheck {
		st.Run = &wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1 << 20}
	} else {
		st.Of = &wire.Target{IssuedAt: st.IssuedAt, NotAfter: st.NotAfter}
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: job, Host: "web01"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.DecodeRequest(b.Body(0))
	if err != nil {
		t.Fatal(err)
	}
	return &VerifiedRequest{Request: r, Run: r.Statement.Run}
}

func about(t testing.TB, typ string, r *VerifiedRequest) *VerifiedRequest {
	return question(t, typ, r.Statement.Task, r.Leaf.Job)
}

func code(n int) wire.Ended { return wire.Ended{Outcome: wire.Exited, ExitCode: &n} }

func wantOutcome(t *testing.T, j *Job, o wire.Outcome, reason string) {
	t.Helper()
	if j == nil || j.Phase != Ended || j.Result.Outcome != o || !strings.Contains(j.Result.Reason, reason) {
		t.Fatalf("job %+v, want outcome %s with reason %q", j, o, reason)
	}
}

func TestJobRunsOnce(t *testing.T) {
	b := tableSince(limits(), t0)
	r := run(t)
	j, result := b.Accept(r, "", false, t0)
	if result != Added || j.Phase != Waiting {
		t.Fatalf("first time: %v, phase %v", result, j.Phase)
	}
	if again, result := b.Accept(r, "", false, t0); result != AlreadyKnown || again != j {
		t.Error("a repeated request was not recognized while it waits")
	}
	if next := beginNext(b, t0); next != j {
		t.Fatal("it does not begin")
	}
	if again, result := b.Accept(r, "", false, t0); result != AlreadyKnown || again != j {
		t.Error("a repeated request was not recognized while it runs")
	}
	b.End(j, code(0), t0)
	if again, result := b.Accept(r, "", false, t0.Add(time.Hour)); result != AlreadyKnown || again != j {
		t.Error("a repeated request was not recognized after its end")
	}
	if next := beginNext(b, t0); next != nil {
		t.Error("it began a second time")
	}
}

func TestOneJobPerTask(t *testing.T) {
	b := tableSince(limits(), t0)
	r := run(t)
	first, _ := b.Accept(r, "", false, t0)
	second, _ := b.Accept(question(t, wire.TypeRun, r.Statement.Task, uuid.NewString()), "", false, t0)
	wantOutcome(t, second, wire.Rejected, "duplicate of "+first.ID)
}

func TestQueueFull(t *testing.T) {
	b := tableSince(limits(), t0)
	for range 4 { // two workers, two places
		if j, _ := b.Accept(run(t), "", false, t0); j.Phase != Waiting {
			t.Fatalf("rejected too early: %+v", j.Result)
		}
	}
	full := run(t)
	j, _ := b.Accept(full, "", false, t0)
	wantOutcome(t, j, wire.Rejected, "queue full")
	if string(j.Result.Request) != string(full.Digest[:]) {
		t.Error("the rejection does not name the request it refuses")
	}
	// Room or not: a rejected job stays rejected.
	first := beginNext(b, t0)
	b.End(first, code(0), t0)
	if again, result := b.Accept(full, "", false, t0); result != AlreadyKnown || again.Result.Outcome != wire.Rejected {
		t.Error("a rejected job was taken when it came again")
	}
}

func TestIssueTimeAndNotAfterAreChecked(t *testing.T) {
	tolerance := limits().Tolerance
	for _, tc := range []struct {
		name    string
		at      time.Time
		outcome wire.Outcome
		reason  string
	}{
		{"within the tolerance", t0.Add(time.Minute + tolerance), "", ""},
		{"too late", t0.Add(time.Minute + tolerance + time.Millisecond), wire.Expired, "after its time was up"},
		{"clock a little behind", t0.Add(-tolerance), "", ""},
		{"clock far behind", t0.Add(-tolerance - time.Second), wire.Rejected, "in the future"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := tableSince(limits(), t0.Add(-time.Hour))
			j, _ := b.Accept(run(t), "", false, tc.at)
			if tc.outcome == "" {
				if j.Phase != Waiting {
					t.Fatalf("refused: %+v", j.Result)
				}
				return
			}
			wantOutcome(t, j, tc.outcome, tc.reason)
		})
	}
}

func TestWaitingJobExpires(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	if at := b.NextExpiry(limits().Tolerance); !at.Equal(t0.Add(time.Minute)) {
		t.Errorf("its time is up at %s", at)
	}
	if gone := b.Expire(t0.Add(time.Minute)); gone != nil {
		t.Error("it expired at its last moment")
	}
	gone := b.Expire(t0.Add(time.Minute + 1))
	if len(gone) != 1 || gone[0] != j || beginNext(b, t0) != nil {
		t.Fatalf("expired %v", gone)
	}
	wantOutcome(t, j, wire.Expired, "no worker")
	if at := b.NextExpiry(limits().Tolerance); !at.IsZero() {
		t.Errorf("nothing waits, and yet until %s", at)
	}
}

func TestJobOlderThanJournalIsRefused(t *testing.T) {
	b := tableSince(limits(), t0.Add(time.Second))
	r := run(t)
	for _, at := range []time.Time{t0.Add(2 * time.Second), t0.Add(time.Hour)} { // forgotten, not expired
		if j, _ := b.Accept(r, "", false, at); j != nil || len(b.jobs) != 0 {
			t.Errorf("at %s: taken: %+v", at, j)
		}
	}
	if j, state := tableSince(limits(), t0.Add(time.Second)).Status(about(t, wire.TypeStatus, r), t0); j != nil || state != wire.StateForgotten {
		t.Errorf("status says %v %q, want forgotten", j, state)
	}
}

func TestStatusOfUnknownJob(t *testing.T) {
	b := tableSince(limits(), t0)
	r := run(t)
	if j, state := b.Status(about(t, wire.TypeStatus, r), t0); j != nil || state != wire.StateUnknown {
		t.Fatalf("before its not-after: %v %q", j, state)
	}
	j, _ := b.Status(about(t, wire.TypeStatus, r), t0.Add(time.Minute+time.Millisecond))
	wantOutcome(t, j, wire.Expired, "did not arrive")
	if again, result := b.Accept(r, "", false, t0.Add(time.Minute+time.Millisecond)); result != AlreadyKnown || again.Result.Outcome != wire.Expired {
		t.Error("a job that was called expired was taken when it came after all")
	}
}

func TestCancel(t *testing.T) {
	b := tableSince(limits(), t0)
	r := run(t)
	j, _ := b.Accept(r, "", false, t0)
	if got, stop := b.Cancel(about(t, wire.TypeCancel, r), t0); got != j || stop {
		t.Fatalf("cancel of a waiting job: %v %v", got, stop)
	}
	wantOutcome(t, j, wire.Canceled, "before it began")
	if next := beginNext(b, t0); next != nil {
		t.Error("a canceled job began")
	}

	r = run(t)
	j, _ = b.Accept(r, "", false, t0)
	beginNext(b, t0)
	if got, stop := b.Cancel(about(t, wire.TypeCancel, r), t0); got != j || !stop || !j.Canceling {
		t.Errorf("cancel of a running job: %v %v", got, stop)
	}

	r = run(t) // a cancel that overtakes its run
	j, _ = b.Cancel(about(t, wire.TypeCancel, r), t0)
	wantOutcome(t, j, wire.Canceled, "before it arrived")
	if again, result := b.Accept(r, "", false, t0); result != AlreadyKnown || again.Result.Outcome != wire.Canceled {
		t.Error("a job ran after its cancel")
	}
}

func TestForgottenJobCannotBeReplayed(t *testing.T) {
	b := tableSince(limits(), t0)
	r := run(t)
	j, _ := b.Accept(r, "", false, t0)
	beginNext(b, t0)
	b.End(j, code(0), t0)
	b.forget(t0.Add(2 * time.Hour))
	if len(b.jobs) != 0 || len(b.tasks) != 0 {
		t.Fatalf("%d jobs, %d tasks remembered", len(b.jobs), len(b.tasks))
	}
	if again, _ := b.Accept(r, "", false, t0); again != nil { // the clock was set back
		t.Errorf("taken again: %+v", again)
	}
}

func TestJournalFull(t *testing.T) {
	l := limits()
	l.Jobs = 1
	b := tableSince(l, t0)
	b.Accept(run(t), "", false, t0)
	j, _ := b.Accept(run(t), "", false, t0)
	wantOutcome(t, j, wire.Rejected, "journal full")
	if j, _ := b.Accept(run(t), "", false, t0); j != nil {
		t.Errorf("a refusal was given that cannot be remembered: %+v", j.Result)
	}
}
