package executor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func limits() Limits {
	return Limits{
		Workers: 2, Queue: 2, Jobs: 100, Output: 1 << 20, MaxOutput: 1 << 20,
		Retention: time.Hour, Tolerance: 30 * time.Second,
	}
}

// run is a verified request, issued at t0 and valid for a minute.
func run(t testing.TB) *order {
	t.Helper()
	return question(t, wire.TypeRun, uuid.NewString(), uuid.NewString())
}

func question(t testing.TB, typ, task, job string) *order {
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
	return &order{Request: r, run: r.Statement.Run}
}

func about(t testing.TB, typ string, r *order) *order {
	return question(t, typ, r.Statement.Task, r.Leaf.Job)
}

func code(n int) wire.Ended { return wire.Ended{Outcome: wire.Exited, ExitCode: &n} }

func wantOutcome(t *testing.T, j *job, o wire.Outcome, reason string) {
	t.Helper()
	if j == nil || j.phase != ended || j.result.Outcome != o || !strings.Contains(j.result.Reason, reason) {
		t.Fatalf("job %+v, want outcome %s with reason %q", j, o, reason)
	}
}

func TestJobRunsOnce(t *testing.T) {
	b := newJournal(limits(), t0)
	r := run(t)
	j, known := b.accept(r, "", false, t0)
	if known || j.phase != waiting {
		t.Fatalf("first time: known %v, phase %v", known, j.phase)
	}
	if again, known := b.accept(r, "", false, t0); !known || again != j {
		t.Error("a repeated request was not recognized while it waits")
	}
	if next := b.begin(t0); next != j {
		t.Fatal("it does not begin")
	}
	if again, known := b.accept(r, "", false, t0); !known || again != j {
		t.Error("a repeated request was not recognized while it runs")
	}
	b.end(j, code(0), t0)
	if again, known := b.accept(r, "", false, t0.Add(time.Hour)); !known || again != j {
		t.Error("a repeated request was not recognized after its end")
	}
	if next := b.begin(t0); next != nil {
		t.Error("it began a second time")
	}
}

func TestOneJobOfATask(t *testing.T) {
	b := newJournal(limits(), t0)
	r := run(t)
	first, _ := b.accept(r, "", false, t0)
	second, _ := b.accept(question(t, wire.TypeRun, r.Statement.Task, uuid.NewString()), "", false, t0)
	wantOutcome(t, second, wire.Rejected, "duplicate of "+first.id)
}

func TestQueueFull(t *testing.T) {
	b := newJournal(limits(), t0)
	for range 4 { // two workers, two places
		if j, _ := b.accept(run(t), "", false, t0); j.phase != waiting {
			t.Fatalf("rejected too early: %+v", j.result)
		}
	}
	full := run(t)
	j, _ := b.accept(full, "", false, t0)
	wantOutcome(t, j, wire.Rejected, "queue full")
	if string(j.result.Request) != string(full.Digest[:]) {
		t.Error("the rejection does not name the request it refuses")
	}
	// Room or not: a rejected job stays rejected.
	first := b.begin(t0)
	b.end(first, code(0), t0)
	if again, known := b.accept(full, "", false, t0); !known || again.result.Outcome != wire.Rejected {
		t.Error("a rejected job was taken when it came again")
	}
}

func TestTimes(t *testing.T) {
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
			b := newJournal(limits(), t0.Add(-time.Hour))
			j, _ := b.accept(run(t), "", false, tc.at)
			if tc.outcome == "" {
				if j.phase != waiting {
					t.Fatalf("refused: %+v", j.result)
				}
				return
			}
			wantOutcome(t, j, tc.outcome, tc.reason)
		})
	}
}

func TestWaitingJobExpires(t *testing.T) {
	b := newJournal(limits(), t0)
	j, _ := b.accept(run(t), "", false, t0)
	if at := b.nextExpiry(limits().Tolerance); !at.Equal(t0.Add(time.Minute)) {
		t.Errorf("its time is up at %s", at)
	}
	if gone := b.expire(t0.Add(time.Minute)); gone != nil {
		t.Error("it expired at its last moment")
	}
	gone := b.expire(t0.Add(time.Minute + 1))
	if len(gone) != 1 || gone[0] != j || b.begin(t0) != nil {
		t.Fatalf("expired %v", gone)
	}
	wantOutcome(t, j, wire.Expired, "no worker")
	if at := b.nextExpiry(limits().Tolerance); !at.IsZero() {
		t.Errorf("nothing waits, and yet until %s", at)
	}
}

func TestJobFromBeforeTheJournalIsRefused(t *testing.T) {
	b := newJournal(limits(), t0.Add(time.Second))
	r := run(t)
	for _, at := range []time.Time{t0.Add(2 * time.Second), t0.Add(time.Hour)} { // forgotten, not expired
		if j, _ := b.accept(r, "", false, at); j != nil || len(b.jobs) != 0 {
			t.Errorf("at %s: taken: %+v", at, j)
		}
	}
	if j, state := newJournal(limits(), t0.Add(time.Second)).status(about(t, wire.TypeStatus, r), t0); j != nil || state != wire.StateForgotten {
		t.Errorf("status says %v %q, want forgotten", j, state)
	}
}

func TestStatusOfAnUnknownJob(t *testing.T) {
	b := newJournal(limits(), t0)
	r := run(t)
	if j, state := b.status(about(t, wire.TypeStatus, r), t0); j != nil || state != wire.StateUnknown {
		t.Fatalf("before its not-after: %v %q", j, state)
	}
	j, _ := b.status(about(t, wire.TypeStatus, r), t0.Add(time.Minute+time.Millisecond))
	wantOutcome(t, j, wire.Expired, "did not arrive")
	if again, known := b.accept(r, "", false, t0.Add(time.Minute+time.Millisecond)); !known || again.result.Outcome != wire.Expired {
		t.Error("a job that was called expired was taken when it came after all")
	}
}

func TestCancel(t *testing.T) {
	b := newJournal(limits(), t0)
	r := run(t)
	j, _ := b.accept(r, "", false, t0)
	if got, stop := b.cancel(about(t, wire.TypeCancel, r), t0); got != j || stop {
		t.Fatalf("cancel of a waiting job: %v %v", got, stop)
	}
	wantOutcome(t, j, wire.Canceled, "before it began")
	if next := b.begin(t0); next != nil {
		t.Error("a canceled job began")
	}

	r = run(t)
	j, _ = b.accept(r, "", false, t0)
	b.begin(t0)
	if got, stop := b.cancel(about(t, wire.TypeCancel, r), t0); got != j || !stop || !j.canceling {
		t.Errorf("cancel of a running job: %v %v", got, stop)
	}

	r = run(t) // a cancel that overtakes its run
	j, _ = b.cancel(about(t, wire.TypeCancel, r), t0)
	wantOutcome(t, j, wire.Canceled, "before it arrived")
	if again, known := b.accept(r, "", false, t0); !known || again.result.Outcome != wire.Canceled {
		t.Error("a job ran after its cancel")
	}
}

func TestForgottenJobCannotBeReplayed(t *testing.T) {
	b := newJournal(limits(), t0)
	r := run(t)
	j, _ := b.accept(r, "", false, t0)
	b.begin(t0)
	b.end(j, code(0), t0)
	b.forget(t0.Add(2 * time.Hour))
	if len(b.jobs) != 0 || len(b.tasks) != 0 {
		t.Fatalf("%d jobs, %d tasks remembered", len(b.jobs), len(b.tasks))
	}
	if again, _ := b.accept(r, "", false, t0); again != nil { // the clock was set back
		t.Errorf("taken again: %+v", again)
	}
}

func TestJournalFull(t *testing.T) {
	l := limits()
	l.Jobs = 1
	b := newJournal(l, t0)
	b.accept(run(t), "", false, t0)
	j, _ := b.accept(run(t), "", false, t0)
	wantOutcome(t, j, wire.Rejected, "journal full")
	if j, _ := b.accept(run(t), "", false, t0); j != nil {
		t.Errorf("a refusal was given that cannot be remembered: %+v", j.result)
	}
}
