package jobtable

import (
	"testing"
	"time"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

func TestCommitStartsJobOnce(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	c := b.Commit(t0, false)
	if c == nil || !c.Sync || c.Reserved || len(c.Start) != 1 || c.Start[0] != j || j.Durable() {
		t.Fatalf("commit %+v, durable %v", c, j.Durable())
	}
	if again := b.Commit(t0, true); again != nil {
		t.Errorf("nothing changed, and there is a commit %+v", again)
	}
	if b.Committed(c); !j.Durable() {
		t.Error("written, and not durable")
	}
	b.ProcessStarted(j, &process.Identity{PID: 7}, t0)
	if at, unsaved := b.NextCommit(); !unsaved || !at.Equal(t0.Add(ProcessDelay)) || !j.Durable() {
		t.Errorf("next commit at %s, %v", at, unsaved)
	}
	if early := b.Commit(t0.Add(ProcessDelay-1), false); early != nil {
		t.Errorf("committed early: %+v", early)
	}
	late := b.Commit(t0.Add(ProcessDelay), false)
	if late == nil || late.Sync || len(late.Start) != 0 {
		t.Fatalf("the process is committed by %+v", late)
	}
	b.Rollback(late, "full", t0) // it repeats that the job has begun
	if repeated := b.Commit(t0, false); repeated == nil || len(repeated.Start) != 0 || j.Phase != Running {
		t.Errorf("after a rollback: %+v", repeated)
	}
}

func TestRolledBackStartIsRejected(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	b.Rollback(b.Commit(t0, false), "the disk is full", t0.Add(time.Second))
	wantOutcome(t, j, wire.Rejected, "the disk is full")
	if j.Result.StartedAt != 0 || b.Running() != 0 || j.Durable() {
		t.Errorf("started at %d, %d running, durable %v", j.Result.StartedAt, b.Running(), j.Durable())
	}
	c := b.Commit(t0, false)
	if c == nil || !c.Reserved || !c.Sync || len(c.Start) != 0 {
		t.Fatalf("the refusal is committed by %+v", c)
	}
	b.Committed(c)
	b.Accept(run(t), "", false, t0)
	if beginNext(b, t0); b.Commit(t0, false).Reserved {
		t.Error("a job begins from the reserved space")
	}
}
