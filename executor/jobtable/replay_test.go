package jobtable

import (
	"strings"
	"testing"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// replayed returns the table of an agent that starts with these records.
func replayed(t *testing.T, records [][]byte, since time.Time) *Table {
	t.Helper()
	b := tableSince(limits(), since)
	for _, r := range records {
		if err := b.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestReplay(t *testing.T) {
	var records [][]byte
	save := func(b *Table) {
		c := b.Commit(t0, true)
		records = append(records, c.Records...)
		b.Committed(c)
	}
	b := tableSince(limits(), t0)
	reqs := []*VerifiedRequest{run(t), run(t), run(t), run(t)}
	var jobs []*Job
	for _, q := range reqs {
		j, _ := b.Accept(q, "", false, t0)
		jobs = append(jobs, j)
		save(b)
	}
	beginNext(b, t0)
	save(b)
	b.ProcessStarted(jobs[0], &process.Identity{PID: 7, Start: "x"}, time.Time{})
	b.AddOutput(jobs[0], outputlog.Ref{Stream: wire.Stdout, Size: 3, Segment: 1})
	b.End(jobs[0], code(4), t0)
	save(b)
	b.SetDelivered(jobs[0], t0)
	b.Begin(b.Next(), jobs[1].Run, 936, t0) // the second runs on
	b.ProcessStarted(jobs[1], &process.Identity{PID: 8, Start: "y"}, time.Time{})
	b.Cancel(about(t, wire.TypeCancel, reqs[3]), t0)
	placeholder, _ := b.Cancel(about(t, wire.TypeCancel, run(t)), t0)
	save(b)

	check := func(name string, again *Table) {
		t.Helper()
		begun, _ := again.Resume(false, t0)
		if len(begun) != 1 || begun[0].ID != jobs[1].ID || begun[0].Process.PID != 8 || begun[0].CodePage != 936 {
			t.Errorf("%s: it ran: %+v", name, begun)
		}
		if len(again.queue) != 1 || again.queue[0].ID != jobs[2].ID || again.queue[0].Run == nil || again.queue[0].digest != reqs[2].Digest {
			t.Errorf("%s: it waits: %+v", name, again.queue)
		}
		first := again.jobs[jobs[0].ID]
		if first.Phase != Ended || *first.Result.ExitCode != 4 || len(first.Output) != 1 || !first.Delivered {
			t.Errorf("%s: it has ended: %+v", name, first)
		}
		wantOutcome(t, again.jobs[jobs[3].ID], wire.Canceled, "")
		wantOutcome(t, again.jobs[placeholder.key()], wire.Canceled, "")
		for _, q := range reqs {
			if _, result := again.Accept(q, "", false, t0); result != AlreadyKnown {
				t.Errorf("%s: %s is not remembered", name, q.Leaf.Job)
			}
		}
		if len(again.done) != 3 {
			t.Errorf("%s: %d have ended", name, len(again.done))
		}
	}
	check("replayed", replayed(t, records, t0))

	rewritten := tableSince(limits(), t0)
	for _, j := range replayed(t, records, t0).jobs {
		e := j.whole()
		if err := rewritten.Replay(e.encode()); err != nil {
			t.Fatal(err)
		}
	}
	check("rewritten", rewritten)

	if err := tableSince(limits(), t0).Replay([]byte("{")); err == nil {
		t.Error("a broken record is taken")
	}
}

func TestForgottenJobsStayRefusedAfterRestart(t *testing.T) {
	b := tableSince(limits(), t0)
	q := run(t)
	j, _ := b.Accept(q, "", false, t0)
	beginNext(b, t0)
	b.End(j, code(0), t0)
	b.forget(t0.Add(2 * time.Hour))
	again := tableSince(limits(), t0)
	if err := again.Replay((&entry{Floor: b.floor.UnixMilli()}).encode()); err != nil {
		t.Fatal(err)
	}
	if taken, _ := again.Accept(q, "", false, t0); taken != nil { // and the clock was set back
		t.Errorf("taken again: %+v", taken)
	}
}

func TestHeldJobsWaitForEndOfInbox(t *testing.T) {
	b := tableSince(limits(), t0)
	q := run(t)
	j, _ := b.Accept(q, "", true, t0)
	if next := beginNext(b, t0); next != nil {
		t.Fatal("a held job began")
	}
	again := tableSince(limits(), t0)
	if err := again.Replay(j.record.unsaved.encode()); err != nil {
		t.Fatal(err)
	}
	if again.Resume(true, t0); len(again.held) != 1 {
		t.Error("it is no longer held after a restart in the middle")
	}
	if got, stop := b.Cancel(about(t, wire.TypeCancel, q), t0); got != j || stop {
		t.Errorf("cancel: %v %v", got, stop)
	}
	b.ReleaseHeld()
	if next := beginNext(b, t0); next != nil {
		t.Error("a recalled job began")
	}
	j, _ = b.Accept(run(t), "", true, t0)
	b.ReleaseHeld()
	if next := beginNext(b, t0); next != j {
		t.Error("it does not begin once the inbox is drained")
	}
}

// A waiting job with a secret is refused after a restart, since no file has the secret.
func TestSecretDoesNotSurviveRestart(t *testing.T) {
	l := limits()
	l.Workers = 0
	b := tableSince(l, t0)
	text, hash, err := wire.EncodeSecret(wire.Secret{Salt: make([]byte, wire.MinSalt), Env: []string{"TOKEN=hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	o := run(t)
	o.Secret = &wire.Secret{Env: []string{"TOKEN=hunter2"}}
	o.Run.SecretHash = hash
	j, _ := b.Accept(o, "", false, t0)
	if j.Phase != Waiting || j.Secret == nil {
		t.Fatalf("%+v", j)
	}
	again := tableSince(l, t0)
	for _, e := range []*entry{b.entry(j)} {
		record := e.encode()
		if strings.Contains(string(record), "hunter2") || strings.Contains(string(record), text) {
			t.Errorf("the journal has it: %s", record)
		}
		if err := again.Replay(record); err != nil {
			t.Fatal(err)
		}
	}
	begun, withoutSecrets := again.Resume(false, t0)
	if len(begun) != 0 || len(withoutSecrets) != 1 || len(again.queue) != 0 {
		t.Errorf("%v, %v, %v", begun, withoutSecrets, again.queue)
	}
}

// The placeholder of another issuer survives beside the job itself.
func TestPlaceholderSurvivesRestart(t *testing.T) {
	b := tableSince(limits(), t0)
	o := run(t)
	o.Issuer = "alice"
	cancel := about(t, wire.TypeCancel, o)
	cancel.Issuer = "carol"
	b.Cancel(cancel, t0)
	j, result := b.Accept(o, "", false, t0)
	if result != Added || j.Phase != Waiting {
		t.Fatalf("carol's cancel counts: %+v", j)
	}
	again := tableSince(limits(), t0)
	for i := len(b.unsaved) - 1; i >= 0; i-- { // whatever their order
		if err := again.Replay(b.unsaved[i].record.unsaved.encode()); err != nil {
			t.Fatal(err)
		}
	}
	if got := again.Find(o); got == nil || got.Phase != Waiting || got.Issuer != "alice" {
		t.Errorf("alice's: %+v", got)
	}
	if got := again.jobs["carol/"+o.Leaf.Job]; got == nil || got.Result.Outcome != wire.Canceled {
		t.Errorf("carol's: %+v", got)
	}
	theirs := about(t, wire.TypeStatus, o)
	theirs.Issuer = "carol"
	if !again.OwnedByOther(theirs) {
		t.Error("carol may ask for alice's job")
	}
	theirs.AnyJob = true
	if again.OwnedByOther(theirs) {
		t.Error("any-job means nothing")
	}
}

// They are needed to authorize a waiting job again, and to answer for it.
func TestSignatureAndAgentSurviveRestart(t *testing.T) {
	b := tableSince(limits(), t0)
	o := run(t)
	o.Signature = "c2ln"
	waits, _ := b.Accept(o, "", false, t0)
	for name, record := range map[string]entry{"as written": *waits.record.unsaved, "as rewritten": waits.whole()} {
		renamed := limits()
		renamed.Agent = "web02"
		again := tableSince(renamed, t0)
		if err := again.Replay(record.encode()); err != nil {
			t.Fatal(err)
		}
		again.Resume(false, t0)
		j := again.Next()
		if j == nil || j.Signature != "c2ln" || j.Agent != "web01" {
			t.Fatalf("%s: %+v", name, j)
		}
		again.Revoke(j, "gone", t0)
		if j.Signature != "" {
			t.Error("it is kept for longer than it is needed")
		}
	}
}
