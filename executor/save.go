package executor

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"warren/executor/jobtable"
	journalfile "warren/internal/agent/journal"
	"warren/internal/agent/process"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// resendTTL is how old a result may be that a restarted agent still sends to its
	// operator unasked.
	resendTTL = 24 * time.Hour

	// compactSize is the size of the journal above which it is rewritten when most of it
	// is no longer needed.
	compactSize = 4 << 20

	// saveRetryDelay is the pause after a write that has failed, as on a full disk.
	saveRetryDelay = time.Second
)

// A Journal keeps records on the disk. *journal.Log of internal/agent/journal is one.
type Journal interface {
	Append(ctx context.Context, records [][]byte, mode journalfile.Mode) (<-chan journalfile.Answer, error)
	Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan journalfile.Answer, error)
}

// A saver writes what the job table wants in the journal, one commit at a time: what comes
// up while one is written goes into the next, so jobs that come together share a sync.
type saver struct {
	file    Journal
	log     *slog.Logger
	writing *write     // nil: none
	acks    []delivery // handled, to be acknowledged once the journal is written

	err     error     // of the last write
	retryAt time.Time // no write before

	size      int64 // of the journal
	rewritten int64 // its size after it was last rewritten
}

// A write is under way.
type write struct {
	commit *jobtable.Commit // nil: the whole journal is rewritten
	acks   []delivery       // to be acknowledged once it is done
	answer <-chan journalfile.Answer
}

// answered is the channel of the answer; nil where nothing is being written.
func (s *saver) answered() <-chan journalfile.Answer {
	if s.writing == nil {
		return nil
	}
	return s.writing.answer
}

// ready reports whether a write may begin.
func (s *saver) ready(now time.Time) bool { return s.writing == nil && !now.Before(s.retryAt) }

// wakeAt is when a write that could wait until then may begin; zero for never.
func (s *saver) wakeAt(b *jobtable.Table) time.Time {
	next, unsaved := b.NextCommit()
	if s.writing != nil || !unsaved {
		return time.Time{}
	}
	if next.Before(s.retryAt) {
		return s.retryAt
	}
	return next
}

// append begins to write a commit.
func (s *saver) append(ctx context.Context, c *jobtable.Commit) (err error) {
	var mode journalfile.Mode
	if c.Sync {
		mode |= journalfile.Sync
	}
	if c.Reserved {
		mode |= journalfile.Reserved
	}
	s.writing = &write{commit: c, acks: s.acks}
	s.acks = nil
	s.writing.answer, err = s.file.Append(ctx, c.Records, mode)
	return err
}

// done takes the answer to a write.
func (s *saver) done(answer journalfile.Answer, now time.Time) *write {
	w := s.writing
	s.writing = nil
	if answer.Err != nil {
		if s.err != nil {
			s.retryAt = now.Add(saveRetryDelay) // the reserved room did not help
		}
		s.err = answer.Err
		s.acks = append(w.acks, s.acks...)
		return w
	}
	s.err, s.size = nil, answer.Size
	if w.commit == nil {
		s.rewritten = answer.Size
	}
	return w
}

// compact begins to rewrite the journal where it has grown and most of it is history.
func (s *saver) compact(ctx context.Context, b *jobtable.Table) bool {
	if s.writing != nil || s.size < max(compactSize, 2*s.rewritten) {
		return false
	}
	answer, err := s.file.Rewrite(ctx, slices.Values(b.Snapshot()))
	if err != nil {
		return false // the loop's context has ended
	}
	s.writing = &write{answer: answer}
	return true
}

// save begins to write what must be written now. Where that is nothing, requests that
// were handled are acknowledged.
func (l *loop) save(work context.Context, now time.Time) error {
	s := &l.saver
	if !s.ready(now) {
		return nil
	}
	if c := l.journal.Commit(now, l.shutdown.state != serving); c != nil {
		return s.append(work, c)
	}
	l.owed.add(s.acks, now)
	s.acks = nil
	return nil
}

// saved does what had to wait for a write: executions, acknowledgements, replies.
func (l *loop) saved(work context.Context, answer journalfile.Answer) {
	now := l.cfg.Now()
	w := l.saver.done(answer, now)
	c := w.commit
	if c == nil {
		c = &jobtable.Commit{}
	}
	if answer.Err != nil {
		l.onWriteError(c, answer.Err, now)
		return
	}
	l.journal.Committed(c)
	for _, j := range c.Start {
		switch {
		case j.Canceling:
			l.failBeforeStart(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
		case l.shutdown.state != serving:
			l.failBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was stopped before it began"}, now)
		default:
			l.execute(work, j)
		}
	}
	for _, j := range c.Jobs {
		l.replies.JobChanged(j)
	}
	l.owed.add(w.acks, now)
	if l.saver.compact(work, l.journal) {
		if err := l.output.DropBefore(l.journal.FirstOutputSegment()); err != nil {
			l.log.Error("cannot drop old output", "error", err)
		}
	}
}

// onWriteError takes back a commit that could not be written. Until it is written nothing
// is answered or acknowledged, so the agent never says what it may forget.
func (l *loop) onWriteError(c *jobtable.Commit, err error, now time.Time) {
	l.log.Error("cannot write the journal; trying again", "records", len(c.Jobs), "error", err, "hint", hint.First(err))
	l.journal.Rollback(c, "the agent cannot write its journal: "+diskText(err), now)
	for _, j := range c.Start {
		l.ended(j)
	}
}

// failBeforeStart ends a job that was to start and did not.
func (l *loop) failBeforeStart(j *jobtable.Job, e wire.Ended, now time.Time) {
	l.journal.FailBeforeStart(j, e, now)
	l.ended(j)
}

// recover resumes the jobs of a former life: what ran is interrupted, what waits will
// run, and results that were not delivered are sent.
func (l *loop) recover(now time.Time) {
	ran, refused := l.journal.Resume(l.cfg.Inbox, now)
	for _, j := range refused {
		l.ended(j)
	}
	ends := l.cfg.killSurvivors(ran)
	for i, j := range ran {
		l.journal.End(j, ends[i], now)
		l.ended(j)
	}
	for j := range l.journal.All() {
		if j.ReplyTo != "" && !j.Delivered && (j.Phase != jobtable.Ended || now.Sub(time.UnixMilli(j.Result.EndedAt)) < resendTTL) {
			l.replies.Subscribe(j, j.ReplyTo, now)
		}
	}
}

// killSurvivors ends what is left of the commands that ran when the agent went down, all
// at the same time, and returns how each job has ended.
func (c *Config) killSurvivors(ran []*jobtable.Job) []wire.Ended {
	ended := make([]wire.Ended, len(ran))
	var all sync.WaitGroup
	for i, j := range ran {
		var id process.Identity
		if j.Process != nil {
			id = *j.Process
		}
		all.Go(func() {
			s, err := c.Survivors(id, mark(j.ID), c.KillGrace)
			ended[i] = interrupted(s, err)
			ended[i].CodePage = c.CodePage()
		})
	}
	all.Wait()
	return ended
}
