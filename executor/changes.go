package executor

import (
	"time"

	"warren/internal/wire"
)

// recordState is how far the journal's file knows a job.
type recordState struct {
	identified bool   // the file knows who it is
	unsaved    *entry // what the file does not have yet
	urgent     bool   // it must be written before anything is said of the job
	saving     int    // entries that are being written
	handedOver bool   // its begin is written, and the job was given out to be executed
}

// durable reports whether all that must not be lost of a job is written.
func (j *job) durable() bool { return j.record.saving == 0 && !j.record.urgent }

// changes collects what the journal's file does not have yet.
type changes struct {
	unsaved []*job
	saveBy  time.Time // the first of it must be written then
	failed  bool      // the last write did
}

// entry returns what to write of j before anything is said or done.
func (c *changes) entry(j *job) *entry {
	e := c.entryBy(j, time.Time{})
	j.record.urgent = true
	return e
}

// entryBy returns what to write of j by then. It is written with the next entry that
// cannot wait.
func (c *changes) entryBy(j *job, by time.Time) *entry {
	if len(c.unsaved) == 0 || by.Before(c.saveBy) {
		c.saveBy = by
	}
	r := &j.record
	if r.unsaved == nil {
		r.unsaved = &entry{Job: j.id}
		if j.hearsay() {
			r.unsaved.Hearsay, r.unsaved.Issuer = true, j.issuer
		}
		if !r.identified {
			*r.unsaved = j.identity()
			r.identified = true
		}
		c.unsaved = append(c.unsaved, j)
	}
	return r.unsaved
}

// nextCommit is when commit has something of a job to write, if anything is unsaved.
func (c *changes) nextCommit() (at time.Time, unsaved bool) { return c.saveBy, len(c.unsaved) > 0 }

// A commit is what one write to the journal's file holds.
type commit struct {
	records  [][]byte
	start    []*job // to be executed once it is written
	sync     bool   // nothing of it may be lost with the power
	reserved bool   // it may use the room that is reserved for a full disk

	jobs []*job
	made bool // with when the journal was made
}

// commit returns what must be written now, or nil. With all it includes what could
// still wait.
//
// After a write that has failed only refusals, ends and the age of the journal may use
// the reserved room. Nothing begins from it, and the names are not worth it.
func (b *journal) commit(now time.Time, all bool) *commit {
	due := len(b.unsaved) > 0 && (all || !now.Before(b.saveBy))
	held := b.heldDirty && (!b.failed || len(b.unsaved) == 0 && !b.madeDirty)
	if !due && !held && !b.madeDirty {
		return nil
	}
	c := &commit{records: make([][]byte, len(b.unsaved)), jobs: b.unsaved, made: b.madeDirty, sync: b.madeDirty}
	for i, j := range c.jobs {
		r := &j.record
		switch {
		case r.unsaved.BegunAt != 0 && j.phase == running && !r.handedOver:
			c.start, c.sync = append(c.start, j), true
		case r.unsaved.Ended != nil && j.result.StartedAt == 0:
			c.sync = true // operators hear that it never runs: that must stay true
		}
		c.records[i] = r.unsaved.encode()
		r.unsaved, r.urgent = nil, false
		r.saving++
	}
	c.records = append(c.records, b.memos(b.madeDirty, held, false)...)
	c.reserved = b.failed && len(c.start) == 0 && (len(c.jobs) > 0 || c.made)
	b.unsaved, b.madeDirty, b.heldDirty = nil, false, false
	return c
}

// committed notes that a commit is written.
func (b *journal) committed(c *commit) {
	b.failed = false
	for _, j := range c.jobs {
		j.record.saving--
	}
	for _, j := range c.start {
		j.record.handedOver = true
	}
}

// rollback takes back a commit that could not be written, so that all of it is tried
// again. What was to start is ended with reason.
func (b *journal) rollback(c *commit, reason string, now time.Time) {
	b.failed = true
	for _, j := range c.start {
		b.failBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: reason}, now)
	}
	for _, j := range c.jobs {
		j.record.saving--
		whole := j.whole()
		*b.entry(j) = whole
	}
	b.madeDirty = b.madeDirty || c.made
}

// snapshot returns the whole content of a new file.
func (b *journal) snapshot() [][]byte {
	records := append(make([][]byte, 0, len(b.jobs)+3), b.memos(true, true, true)...)
	for _, j := range b.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	return records
}
