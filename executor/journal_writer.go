package executor

import (
	"context"
	"iter"
	"slices"
	"time"

	"warren/executor/jobtable"
	"warren/internal/agent/journal"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// compactSize is the size of the journal above which it is rewritten when it has doubled.
	compactSize = 4 << 20

	// writeRetryDelay is the pause after a failed write, as on a full disk.
	writeRetryDelay = time.Second
)

// A Journal keeps records on the disk. *journal.Log of internal/agent/journal is one.
type Journal interface {
	Append(ctx context.Context, records [][]byte, mode journal.Mode) (<-chan journal.Answer, error)
	Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan journal.Answer, error)
}

// A journalWriter writes the commits of the job table, one at a time. What comes up during a
// write goes into the next one, so jobs that come together share a sync.
type journalWriter struct {
	journal Journal
	writing *write     // nil: none
	acks    []delivery // requests that were handled since the last write began

	err     error     // of the last write
	retryAt time.Time // no write before

	size      int64 // of the journal
	rewritten int64 // its size after it was last rewritten
}

// A write is a write that is under way.
type write struct {
	commit *jobtable.Commit // nil: the whole journal is rewritten
	acks   []delivery       // to be acknowledged once it is done
	answer <-chan journal.Answer
}

// answered returns the channel of the answer; nil if nothing is being written.
func (w *journalWriter) answered() <-chan journal.Answer {
	if w.writing == nil {
		return nil
	}
	return w.writing.answer
}

// ready reports whether a write may begin.
func (w *journalWriter) ready(now time.Time) bool { return w.writing == nil && !now.Before(w.retryAt) }

// wakeAt returns when a write may begin that has waited until then; zero for never.
func (w *journalWriter) wakeAt(t *jobtable.Table) time.Time {
	next, unsaved := t.NextCommit()
	if w.writing != nil || !unsaved {
		return time.Time{}
	}
	if next.Before(w.retryAt) {
		return w.retryAt
	}
	return next
}

// append begins to write a commit.
func (w *journalWriter) append(ctx context.Context, c *jobtable.Commit) (err error) {
	var mode journal.Mode
	if c.Sync || slices.ContainsFunc(w.acks, func(d delivery) bool { return d.inbox }) { // only the journal has them then
		mode |= journal.Sync
	}
	if c.Reserved {
		mode |= journal.Reserved
	}
	w.writing = &write{commit: c, acks: w.acks}
	w.acks = nil
	w.writing.answer, err = w.journal.Append(ctx, c.Records, mode)
	return err
}

// done takes the answer to a write. After a failure, its requests wait for the next write.
func (w *journalWriter) done(answer journal.Answer, now time.Time) *write {
	done := w.writing
	w.writing = nil
	if answer.Err != nil {
		if w.err != nil {
			w.retryAt = now.Add(writeRetryDelay) // the reserved space did not help
		}
		w.err = answer.Err
		w.acks = append(done.acks, w.acks...)
		return done
	}
	w.err, w.size = nil, answer.Size
	if done.commit == nil {
		w.rewritten = answer.Size
	}
	return done
}

// compact begins to rewrite the journal if it has grown.
func (w *journalWriter) compact(ctx context.Context, t *jobtable.Table) bool {
	if w.writing != nil || w.size < max(compactSize, 2*w.rewritten) {
		return false
	}
	answer, err := w.journal.Rewrite(ctx, slices.Values(t.Snapshot()))
	if err != nil {
		return false // the loop's context has ended
	}
	w.writing = &write{answer: answer}
	return true
}

// write begins to write what must be written now. If that is nothing, it acknowledges the
// requests that were handled.
func (l *loop) write(work context.Context, now time.Time) error {
	w := &l.journal
	if !w.ready(now) {
		return nil
	}
	if c := l.table.Commit(now, l.shutdown.state != serving); c != nil {
		return w.append(work, c)
	}
	l.replies.acks.add(w.acks, now)
	w.acks = nil
	return nil
}

// written does what had to wait for a write: executions, replies, acknowledgements.
func (l *loop) written(work context.Context, answer journal.Answer) {
	now := l.cfg.Now()
	w := l.journal.done(answer, now)
	if answer.Synced > 0 {
		l.stats.Syncs.Add(answer.Synced)
	}
	c := w.commit
	if c == nil {
		c = &jobtable.Commit{}
	}
	if answer.Err != nil {
		l.writeFailed(c, answer.Err, now)
		return
	}
	l.table.Committed(c)
	for _, j := range c.Start {
		switch {
		case j.Canceling:
			l.table.FailBeforeStart(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
			l.ended(j)
		case l.shutdown.state != serving:
			l.table.FailBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was stopped before it began"}, now)
			l.ended(j)
		default:
			l.execute(work, j)
		}
	}
	for _, j := range c.Jobs {
		l.replies.JobChanged(j)
		if l.ending[j] && j.Durable() {
			logEnd(l, j)
		}
	}
	l.replies.acks.add(w.acks, now)
	if l.journal.compact(work, l.table) {
		l.output.dropBefore(l.table.FirstOutputSegment(now))
	}
}

// writeFailed takes back a commit that could not be written. Until it is written, nothing is
// answered or acknowledged, so the agent never says what it may forget.
func (l *loop) writeFailed(c *jobtable.Commit, err error, now time.Time) {
	l.log.Error("cannot write the journal; trying again", "jobs", len(c.Jobs), "error", err, "hint", hint.First(err))
	l.table.Rollback(c, "the agent cannot write its journal: "+diskText(err), now)
	for _, j := range c.Start {
		l.ended(j)
	}
}
