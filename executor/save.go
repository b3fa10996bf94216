package executor

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	journalfile "warren/internal/agent/journal"
	"warren/internal/agent/process"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// resumeTelling is how old a result may be that a restarted agent still sends
	// to its operator unasked.
	resumeTelling = 24 * time.Hour

	// rewriteAt is the size of the journal's file above which it is written anew
	// when most of it is no longer needed.
	rewriteAt = 4 << 20

	// saveAgain is the pause after a write that has failed, as on a full disk.
	saveAgain = time.Second
)

// A RecordFile is the journal's file: internal/agent/journal's Log.
type RecordFile interface {
	Append(ctx context.Context, records [][]byte, mode journalfile.Mode) (<-chan journalfile.Answer, error)
	Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan journalfile.Answer, error)
}

// A batch is what is being written, and what waits for it.
type batch struct {
	jobs   []*job
	begun  []*job     // to be executed
	acks   []delivery // to be acknowledged
	made   bool       // with when the journal was made
	answer <-chan journalfile.Answer
}

// answered is the channel of the answer; nil where nothing is being written.
func (b *batch) answered() <-chan journalfile.Answer {
	if b == nil {
		return nil
	}
	return b.answer
}

// save gives the journal's file what it is to be told, one batch at a time: what
// comes up while one is written goes into the next, so jobs that come together
// share a sync.
func (l *loop) save(work context.Context, now time.Time) error {
	if l.saving != nil || now.Before(l.saveAgain) {
		return nil
	}
	made, held := l.memosDue()
	due := len(l.journal.unsaved) > 0 && (l.draining || !now.Before(l.journal.saveBy))
	if !due && !made && !held {
		l.owed.add(l.acks, now)
		l.acks = nil
		return nil
	}
	b := &batch{jobs: l.journal.unsaved, acks: l.acks, made: made}
	l.journal.madeDirty, l.journal.heldDirty = false, false
	l.journal.unsaved, l.acks = nil, nil
	var mode journalfile.Mode
	if l.saveFailed && (len(b.jobs) > 0 || made) {
		mode = journalfile.Reserved // refusals and ends; nothing begins from the reserve
	}
	records := make([][]byte, len(b.jobs))
	for i, j := range b.jobs {
		switch {
		case j.unsaved.BegunAt != 0 && j.phase == running && j.stop == nil: // not executed yet
			b.begun = append(b.begun, j)
		case j.unsaved.Ended != nil && j.result.StartedAt == 0:
			mode |= journalfile.Sync // that it will never run is told: it must stay true
		}
		records[i] = j.unsaved.encode()
		j.unsaved, j.urgent = nil, false
		j.saving++
	}
	records = append(records, l.journal.memos(made, held, false)...)
	switch {
	case len(b.begun) > 0:
		mode = journalfile.Sync
	case made: // what it refuses it must still refuse after a loss of power
		mode |= journalfile.Sync
	}
	l.saving = b
	if l.file == nil {
		l.saved(work, journalfile.Answer{})
		return nil
	}
	answer, err := l.file.Append(work, records, mode)
	b.answer = answer
	return err
}

// memosDue says which records of no job are to be written. The hold on the names is not
// worth the room that is reserved on a full disk.
func (l *loop) memosDue() (made, held bool) {
	if l.file == nil || l.cfg.Records != nil {
		return false, false // never read again
	}
	made = l.journal.madeDirty
	return made, l.journal.heldDirty && (!l.saveFailed || len(l.journal.unsaved) == 0 && !made)
}

// saved is what follows from a write: executions, acknowledgements, replies.
func (l *loop) saved(work context.Context, answer journalfile.Answer) {
	b, now := l.saving, l.cfg.Now()
	l.saving = nil
	for _, j := range b.jobs {
		j.saving--
	}
	if answer.Err != nil {
		l.unsaved(b, answer.Err, now)
		return
	}
	l.saveFailed, l.saveError, l.fileSize = false, nil, answer.Size
	if l.rewriting {
		l.rewriting, l.rewritten = false, answer.Size
	}
	for _, j := range b.begun {
		switch {
		case j.canceling:
			l.endUnrun(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
		case l.draining:
			l.endUnrun(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was stopped before it began"}, now)
		default:
			l.execute(work, j)
		}
	}
	for _, j := range b.jobs {
		l.outbox.changed(j)
	}
	l.owed.add(b.acks, now)
	l.compact(work)
}

// unsaved takes back a batch that could not be written: what was to begin is
// refused, and all of it is tried again. Until it is written nobody is told and
// nothing is acknowledged, so the agent never says what it may forget.
func (l *loop) unsaved(b *batch, err error, now time.Time) {
	l.log.Error("cannot write the journal; trying again", "records", len(b.jobs), "error", err, "hint", hint.First(err))
	if l.saveFailed {
		l.saveAgain = now.Add(saveAgain) // the reserve did not help
	}
	l.saveFailed, l.saveError = true, err
	for _, j := range b.begun {
		l.endUnrun(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent cannot write its journal: " + diskText(err)}, now)
	}
	for _, j := range b.jobs {
		l.journal.again(j)
	}
	l.journal.madeDirty = l.journal.madeDirty || b.made
	l.acks = append(b.acks, l.acks...)
}

// endUnrun ends a job that was to begin and did not.
func (l *loop) endUnrun(j *job, e wire.Ended, now time.Time) {
	l.journal.end(j, e, now)
	j.result.StartedAt = 0
	l.ended(j)
}

// compact writes the file anew where it has grown and most of it is history.
func (l *loop) compact(work context.Context) {
	if l.file == nil || l.cfg.Records != nil || l.saving != nil || l.fileSize < max(rewriteAt, 2*l.rewritten) {
		return
	}
	records := append(make([][]byte, 0, len(l.journal.jobs)+3), l.journal.memos(true, true, true)...)
	for _, j := range l.journal.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	answer, err := l.file.Rewrite(work, slices.Values(records))
	if err != nil {
		return // the loop's context has ended
	}
	l.rewriting = true
	l.saving = &batch{answer: answer}
	if err := l.outputs.dropBefore(l.journal.firstSegment()); err != nil {
		l.log.Error("cannot drop old output", "error", err)
	}
}

// recover takes up what the journal's file says of a former life: what ran is
// interrupted, what waits will run, what was not delivered is.
func (l *loop) recover(now time.Time) {
	begun, bereft := l.journal.resume(l.cfg.Inbox)
	for _, j := range bereft {
		l.journal.close(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was started anew while it waited, and its secret values are kept in no file"}, now)
		l.ended(j)
	}
	ends := l.cfg.killSurvivors(begun)
	for i, j := range begun {
		l.journal.running++
		l.journal.end(j, ends[i], now)
		l.ended(j)
	}
	for _, j := range l.journal.jobs {
		if j.replyTo != "" && !j.told && (j.phase != ended || now.Sub(time.UnixMilli(j.result.EndedAt)) < resumeTelling) {
			l.outbox.tell(j, j.replyTo)
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
