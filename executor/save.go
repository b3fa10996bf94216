package executor

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	journalfile "warren/internal/agent/journal"
	"warren/internal/agent/process"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// resendTTL is how old a result may be that a restarted agent still sends to its
	// operator unasked.
	resendTTL = 24 * time.Hour

	// compactSize is the size of the journal's file above which it is rewritten when
	// most of it is no longer needed.
	compactSize = 4 << 20

	// saveRetryDelay is the pause after a write that has failed, as on a full disk.
	saveRetryDelay = time.Second
)

// A RecordFile is the journal's file: internal/agent/journal's Log.
type RecordFile interface {
	Append(ctx context.Context, records [][]byte, mode journalfile.Mode) (<-chan journalfile.Answer, error)
	Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan journalfile.Answer, error)
}

// A saver writes what the journal has collected, one commit at a time: what comes up
// while one is written goes into the next, so jobs that come together share a sync.
type saver struct {
	file    RecordFile // nil: the journal lives in memory
	shared  bool       // the file is never read again, nor rewritten
	log     *slog.Logger
	writing *write     // nil: none
	acks    []delivery // decided, to be acknowledged once the journal is written

	failed  bool      // the last write did
	err     error     // why
	retryAt time.Time // no write before

	size      int64 // of the file
	rewritten int64 // size of the file after it was last rewritten
}

// A write is under way.
type write struct {
	commit *commit    // nil: the whole file is rewritten
	acks   []delivery // to be acknowledged
	answer <-chan journalfile.Answer
}

// answered is the channel of the answer; nil where nothing is being written.
func (s *saver) answered() <-chan journalfile.Answer {
	if s.writing == nil {
		return nil
	}
	return s.writing.answer
}

// memosDue says which records about the journal itself are to be written. The hold on
// the names is not worth the room that is reserved on a full disk.
func (s *saver) memosDue(b *journal) (made, held bool) {
	if s.file == nil || s.shared {
		return false, false // never read again
	}
	return b.madeDirty, b.heldDirty && (!s.failed || len(b.unsaved) == 0 && !b.madeDirty)
}

// wakeAt is when something that could wait must be written; zero for never.
func (s *saver) wakeAt(b *journal) time.Time {
	if s.writing != nil || len(b.unsaved) == 0 {
		return time.Time{}
	}
	return later(s.retryAt, b.saveBy)
}

// start begins to write a commit.
func (s *saver) start(work context.Context, c *commit) error {
	s.writing = &write{commit: c, acks: s.acks}
	s.acks = nil
	if s.file == nil {
		answer := make(chan journalfile.Answer, 1)
		answer <- journalfile.Answer{}
		s.writing.answer = answer
		return nil
	}
	var mode journalfile.Mode
	if c.sync {
		mode = journalfile.Sync
	}
	if s.failed && len(c.begun) == 0 && (len(c.jobs) > 0 || c.made) {
		mode |= journalfile.Reserved // refusals and ends; nothing begins from the reserve
	}
	var err error
	s.writing.answer, err = s.file.Append(work, c.records, mode)
	return err
}

// done takes the answer to a write.
func (s *saver) done(answer journalfile.Answer, now time.Time) *write {
	w := s.writing
	s.writing = nil
	if answer.Err != nil {
		if s.failed {
			s.retryAt = now.Add(saveRetryDelay) // the reserve did not help
		}
		s.failed, s.err = true, answer.Err
		s.acks = append(w.acks, s.acks...)
		return w
	}
	s.failed, s.err, s.size = false, nil, answer.Size
	if w.commit == nil {
		s.rewritten = answer.Size
	}
	return w
}

// compact rewrites the file where it has grown and most of it is history.
func (s *saver) compact(work context.Context, b *journal) bool {
	if s.file == nil || s.shared || s.writing != nil || s.size < max(compactSize, 2*s.rewritten) {
		return false
	}
	answer, err := s.file.Rewrite(work, slices.Values(b.records()))
	if err != nil {
		return false // the loop's context has ended
	}
	s.writing = &write{answer: answer}
	return true
}

// save starts to write what must be written now.
func (l *loop) save(work context.Context, now time.Time) error {
	s := &l.saver
	if s.writing != nil || now.Before(s.retryAt) {
		return nil
	}
	made, held := s.memosDue(l.journal)
	due := l.journal.due(now) || l.draining && len(l.journal.unsaved) > 0
	if !due && !made && !held {
		l.owed.add(s.acks, now)
		s.acks = nil
		return nil
	}
	if err := s.start(work, l.journal.commit(made, held)); err != nil {
		return err
	}
	if s.file == nil {
		l.saved(work, <-s.writing.answer)
	}
	return nil
}

// saved is what follows from a write: executions, acknowledgements, replies.
func (l *loop) saved(work context.Context, answer journalfile.Answer) {
	now := l.cfg.Now()
	w := l.saver.done(answer, now)
	c := w.commit
	if c == nil {
		c = &commit{}
	}
	if answer.Err != nil {
		l.onWriteError(c, answer.Err, now)
		return
	}
	l.journal.committed(c)
	for _, j := range c.begun {
		switch {
		case j.canceling:
			l.failBeforeStart(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
		case l.draining:
			l.failBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was stopped before it began"}, now)
		default:
			l.execute(work, j)
		}
	}
	for _, j := range c.jobs {
		l.replies.changed(j)
	}
	l.owed.add(w.acks, now)
	if l.saver.compact(work, l.journal) {
		if err := l.output.DropBefore(l.journal.firstSegment()); err != nil {
			l.log.Error("cannot drop old output", "error", err)
		}
	}
}

// onWriteError takes back a commit that could not be written: what was to begin is
// refused, and all of it is tried again. Until it is written nothing is answered or
// acknowledged, so the agent never says what it may forget.
func (l *loop) onWriteError(c *commit, err error, now time.Time) {
	l.log.Error("cannot write the journal; trying again", "records", len(c.jobs), "error", err, "hint", hint.First(err))
	for _, j := range c.begun {
		l.failBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent cannot write its journal: " + diskText(err)}, now)
	}
	l.journal.rollback(c)
}

// failBeforeStart ends a job that was to begin and did not.
func (l *loop) failBeforeStart(j *job, e wire.Ended, now time.Time) {
	l.journal.end(j, e, now)
	j.result.StartedAt = 0
	l.ended(j)
}

// recover takes up what the journal's file says of a former life: what ran is
// interrupted, what waits will run, what was not delivered is.
func (l *loop) recover(now time.Time) {
	begun, withoutSecrets := l.journal.resume(l.cfg.Inbox)
	for _, j := range withoutSecrets {
		l.journal.close(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was restarted while it waited, and its secret values are kept in no file"}, now)
		l.ended(j)
	}
	ends := l.cfg.killSurvivors(begun)
	for i, j := range begun {
		l.journal.running++
		l.journal.end(j, ends[i], now)
		l.ended(j)
	}
	for _, j := range l.journal.jobs {
		if j.replyTo != "" && !j.told && (j.phase != ended || now.Sub(time.UnixMilli(j.result.EndedAt)) < resendTTL) {
			l.replies.subscribe(j, j.replyTo)
		}
	}
}

// killSurvivors ends what is left of the commands that ran when the agent went
// down, all at the same time, and returns how each job has ended.
func (c *Config) killSurvivors(begun []*job) []wire.Ended {
	ended := make([]wire.Ended, len(begun))
	var all sync.WaitGroup
	for i, j := range begun {
		var id process.Identity
		if j.process != nil {
			id = *j.process
		}
		all.Go(func() {
			s, err := c.Survivors(id, mark(j.id), c.KillGrace)
			ended[i] = interrupted(s, err)
			ended[i].CodePage = c.CodePage()
		})
	}
	all.Wait()
	return ended
}
