package executor

import (
	"strings"
	"testing"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// replayed is the journal of an agent that starts on what the disk has.
func replayed(t *testing.T, records [][]byte, since time.Time) *journal {
	t.Helper()
	b := tableSince(limits(), since)
	for _, r := range records {
		if err := b.replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestReplay(t *testing.T) {
	var records [][]byte
	save := func(b *journal) {
		c := b.commit(t0, true)
		records = append(records, c.records...)
		b.committed(c)
	}
	b := tableSince(limits(), t0)
	reqs := []*order{run(t), run(t), run(t), run(t)}
	var jobs []*job
	for _, q := range reqs {
		j, _ := b.accept(q, "", false, t0)
		jobs = append(jobs, j)
		save(b)
	}
	beginNext(b, t0)
	save(b)
	b.started(jobs[0], &process.Identity{PID: 7, Start: "x"}, time.Time{})
	b.output(jobs[0], outputlog.Ref{Stream: wire.Stdout, Size: 3, Segment: 1})
	b.end(jobs[0], code(4), t0)
	save(b)
	b.delivered(jobs[0], t0)
	beginNext(b, t0) // the second runs on
	b.started(jobs[1], &process.Identity{PID: 8, Start: "y"}, time.Time{})
	b.cancel(about(t, wire.TypeCancel, reqs[3]), t0)
	tombstone, _ := b.cancel(about(t, wire.TypeCancel, run(t)), t0)
	save(b)

	check := func(name string, again *journal) {
		t.Helper()
		begun, _ := again.resume(false, t0)
		if len(begun) != 1 || begun[0].id != jobs[1].id || begun[0].process.PID != 8 {
			t.Errorf("%s: it ran: %+v", name, begun)
		}
		if len(again.queue) != 1 || again.queue[0].id != jobs[2].id || again.queue[0].run == nil || again.queue[0].digest != reqs[2].Digest {
			t.Errorf("%s: it waits: %+v", name, again.queue)
		}
		first := again.jobs[jobs[0].id]
		if first.phase != ended || *first.result.ExitCode != 4 || len(first.kept) != 1 || !first.told {
			t.Errorf("%s: it has ended: %+v", name, first)
		}
		wantOutcome(t, again.jobs[jobs[3].id], wire.Canceled, "")
		wantOutcome(t, again.jobs[tombstone.key()], wire.Canceled, "")
		for _, q := range reqs {
			if _, result := again.accept(q, "", false, t0); result != alreadyKnown {
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
		if err := rewritten.replay(e.encode()); err != nil {
			t.Fatal(err)
		}
	}
	check("rewritten", rewritten)

	if err := tableSince(limits(), t0).replay([]byte("{")); err == nil {
		t.Error("a broken record is taken")
	}
}

func TestFloorOutlivesTheProcess(t *testing.T) {
	b := tableSince(limits(), t0)
	q := run(t)
	j, _ := b.accept(q, "", false, t0)
	beginNext(b, t0)
	b.end(j, code(0), t0)
	b.forget(t0.Add(2 * time.Hour))
	again := tableSince(limits(), t0)
	if err := again.replay((&entry{Floor: b.floor.UnixMilli()}).encode()); err != nil {
		t.Fatal(err)
	}
	if taken, _ := again.accept(q, "", false, t0); taken != nil { // and the clock was set back
		t.Errorf("taken again: %+v", taken)
	}
}

func TestHeldJobsWaitForTheInboxToBeDrained(t *testing.T) {
	b := tableSince(limits(), t0)
	q := run(t)
	j, _ := b.accept(q, "", true, t0)
	if next := beginNext(b, t0); next != nil {
		t.Fatal("a held job began")
	}
	again := tableSince(limits(), t0)
	if err := again.replay(j.record.unsaved.encode()); err != nil {
		t.Fatal(err)
	}
	if again.resume(true, t0); len(again.held) != 1 {
		t.Error("it is no longer held after a restart in the middle")
	}
	if got, stop := b.cancel(about(t, wire.TypeCancel, q), t0); got != j || stop {
		t.Errorf("cancel: %v %v", got, stop)
	}
	b.unhold()
	if next := beginNext(b, t0); next != nil {
		t.Error("a recalled job began")
	}
	j, _ = b.accept(run(t), "", true, t0)
	b.unhold()
	if next := beginNext(b, t0); next != j {
		t.Error("it does not begin once the inbox is drained")
	}
}

// A job with a secret that waits is not run after a restart, since no file has
// the secret; it says so.
func TestSecretDoesNotOutliveTheProcess(t *testing.T) {
	l := limits()
	l.Workers = 0
	b := tableSince(l, t0)
	text, hash, err := wire.EncodeSecret(wire.Secret{Salt: make([]byte, wire.MinSalt), Env: []string{"TOKEN=hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	o := run(t)
	o.Secret = &wire.Secret{Env: []string{"TOKEN=hunter2"}}
	o.run.SecretHash = hash
	j, _ := b.accept(o, "", false, t0)
	if j.phase != waiting || j.secret == nil {
		t.Fatalf("%+v", j)
	}
	again := tableSince(l, t0)
	for _, e := range []*entry{b.entry(j)} {
		record := e.encode()
		if strings.Contains(string(record), "hunter2") || strings.Contains(string(record), text) {
			t.Errorf("the journal has it: %s", record)
		}
		if err := again.replay(record); err != nil {
			t.Fatal(err)
		}
	}
	begun, withoutSecrets := again.resume(false, t0)
	if len(begun) != 0 || len(withoutSecrets) != 1 || len(again.queue) != 0 {
		t.Errorf("%v, %v, %v", begun, withoutSecrets, again.queue)
	}
}

// Hearsay about a job, by whoever knows its id, survives a restart beside it.
func TestHearsayIsReplayed(t *testing.T) {
	b := tableSince(limits(), t0)
	o := run(t)
	o.issuer = "alice"
	cancel := about(t, wire.TypeCancel, o)
	cancel.issuer = "carol"
	b.cancel(cancel, t0)
	j, result := b.accept(o, "", false, t0)
	if result != added || j.phase != waiting {
		t.Fatalf("carol's cancel counts: %+v", j)
	}
	again := tableSince(limits(), t0)
	for i := len(b.unsaved) - 1; i >= 0; i-- { // whatever their order
		if err := again.replay(b.unsaved[i].record.unsaved.encode()); err != nil {
			t.Fatal(err)
		}
	}
	if got := again.known(o); got == nil || got.phase != waiting || got.issuer != "alice" {
		t.Errorf("alice's: %+v", got)
	}
	if got := again.jobs["carol/"+o.Leaf.Job]; got == nil || got.result.Outcome != wire.Canceled {
		t.Errorf("carol's: %+v", got)
	}
	theirs := about(t, wire.TypeStatus, o)
	theirs.issuer = "carol"
	if !again.foreign(theirs) {
		t.Error("carol may ask for alice's job")
	}
	theirs.anyJob = true
	if again.foreign(theirs) {
		t.Error("any-job means nothing")
	}
}

// What judges a waiting job, and the id that answers for it, outlive a restart.
func TestSignatureAndAgentOutliveTheProcess(t *testing.T) {
	b := tableSince(limits(), t0)
	o := run(t)
	o.Signature = "c2ln"
	waits, _ := b.accept(o, "", false, t0)
	for name, record := range map[string]entry{"as written": *waits.record.unsaved, "as rewritten": waits.whole()} {
		renamed := limits()
		renamed.Agent = "web02"
		again := tableSince(renamed, t0)
		if err := again.replay(record.encode()); err != nil {
			t.Fatal(err)
		}
		again.resume(false, t0)
		j := again.next()
		if j == nil || j.signature != "c2ln" || j.agent != "web01" {
			t.Fatalf("%s: %+v", name, j)
		}
		again.revoke(j, "gone", t0)
		if j.signature != "" {
			t.Error("it is kept for longer than it is needed")
		}
	}
}
