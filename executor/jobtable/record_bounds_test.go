package jobtable

import (
	"testing"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/journal"
	"warren/internal/wire"
)

// commit writes what is to be written, and returns its records.
func commit(b *Table, now time.Time) [][]byte {
	c := b.Commit(now, true)
	if c == nil {
		return nil
	}
	b.Committed(c)
	return c.Records
}

// A command that prints a little to both streams in turn has a piece for each time. Its end fits into
// the journal, and what is not referred to is gone.
func TestEndOfAJobWithManyPiecesFitsIntoTheJournal(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	commit(b, t0)
	for i := range int64(maxPieces + 10) {
		r := outputlog.Ref{Stream: wire.Stdout, Offset: 1e15 + i, Size: 1, Segment: 1e6, At: 1e15 + 2*i}
		b.AddOutput(j, r)
		r.At++
		if r.Stream = wire.Stderr; i < 100 {
			b.AddOutput(j, r)
		}
	}
	e := code(0)
	e.Stdout, e.Stderr = &wire.Stream{Size: maxPieces + 10}, &wire.Stream{Size: 100}
	b.End(j, e, t0)
	for _, record := range commit(b, t0) {
		if len(record) > journal.MaxRecord {
			t.Errorf("a record of %d bytes", len(record))
		}
	}
	if len(j.Output) != maxPieces || !j.Result.Stdout.Gone || j.Result.Stderr.Gone {
		t.Errorf("%d pieces, stdout %+v, stderr %+v", len(j.Output), j.Result.Stdout, j.Result.Stderr)
	}
	b = tableSince(limits(), t0)
	large, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	for i := range int64(maxPieces + 10) { // of an archive, which are one piece
		b.AddOutput(large, outputlog.Ref{Stream: wire.Stdout, Offset: i * wire.MaxChunk, Size: wire.MaxChunk, Segment: 1, At: i * wire.MaxChunk})
	}
	if len(large.Output) != maxPieces+10 {
		t.Errorf("%d chunks of an archive", len(large.Output))
	}
}

// After a restart, the numbers of output in memory are those of other output.
func TestOutputInMemoryIsGoneAfterRestart(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	records := commit(b, t0)
	beginNext(b, t0)
	b.AddOutput(j, outputlog.Ref{Stream: wire.Stdout, Size: 3, Segment: -1})
	e := code(0)
	e.Stdout = &wire.Stream{Size: 3}
	b.End(j, e, t0)
	records = append(records, commit(b, t0)...)
	if got := replayed(t, records, t0).jobs[j.ID].Output; len(got) != 1 || got[0].Segment != 0 {
		t.Errorf("%+v", got)
	}
}

// A result can be delivered after its job was forgotten. The journal has no record of the job then,
// and one that has ignores it.
func TestDeliveryOfAForgottenJobIsNotRecorded(t *testing.T) {
	b := tableSince(limits(), t0)
	j, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	b.End(j, code(0), t0)
	commit(b, t0)
	later := t0.AddDate(1, 0, 0)
	b.forget(later)
	if b.jobs[j.ID] != nil {
		t.Fatal("the job is not forgotten")
	}
	commit(b, later)
	b.SetDelivered(j, later)
	if records := commit(b, later.Add(time.Hour)); len(records) > 0 {
		t.Errorf("records %q", records)
	}
	b = replayed(t, [][]byte{(&entry{Job: j.ID, Delivered: true}).encode()}, t0)
	if ran, refused := b.Resume(false, t0); len(b.jobs)+len(ran)+len(refused) != 0 {
		t.Errorf("jobs %v", b.jobs)
	}
}

// A rewrite has the jobs in any order. They are forgotten when their time comes all the same.
func TestJobsAreForgottenAfterARewrite(t *testing.T) {
	b := tableSince(limits(), t0)
	for i := range 20 {
		now := t0.Add(time.Duration(i) * time.Minute)
		j, _ := b.Accept(issued(t, wire.TypeRun, "alice", now, now.Add(time.Minute)), "", false, now)
		beginNext(b, now)
		b.End(j, code(0), now)
	}
	b = replayed(t, b.Snapshot(), t0)
	b.Resume(false, t0.Add(time.Hour))
	b.forget(t0.Add(limits().Retention + 10*time.Minute))
	if len(b.jobs) != 9 {
		t.Errorf("%d jobs remembered, want 9", len(b.jobs))
	}
}
