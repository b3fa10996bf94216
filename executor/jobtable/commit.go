package jobtable

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
	started    bool   // its begin is written, and the job was given out to be executed
}

// Durable reports whether all that must not be lost of a job is written.
func (j *Job) Durable() bool { return j.record.saving == 0 && !j.record.urgent }

// changes collects what the journal's file does not have yet.
type changes struct {
	unsaved []*Job
	saveBy  time.Time // the first of it must be written then
	failed  bool      // the last write did
}

// entry returns what to write of j before anything is said or done.
func (c *changes) entry(j *Job) *entry {
	e := c.entryBy(j, time.Time{})
	j.record.urgent = true
	return e
}

// entryBy returns what to write of j by then. It is written with the next entry that
// cannot wait.
func (c *changes) entryBy(j *Job, by time.Time) *entry {
	if len(c.unsaved) == 0 || by.Before(c.saveBy) {
		c.saveBy = by
	}
	r := &j.record
	if r.unsaved == nil {
		r.unsaved = &entry{Job: j.ID}
		if j.isPlaceholder() {
			r.unsaved.Placeholder, r.unsaved.Issuer = true, j.Issuer
		}
		if !r.identified {
			*r.unsaved = j.identity()
			r.identified = true
		}
		c.unsaved = append(c.unsaved, j)
	}
	return r.unsaved
}

// NextCommit is when commit has something of a job to write, if anything is unsaved.
func (c *changes) NextCommit() (at time.Time, unsaved bool) { return c.saveBy, len(c.unsaved) > 0 }

// A Commit is what one write to the journal's file holds.
type Commit struct {
	Records  [][]byte
	Start    []*Job // to be executed once it is written
	Sync     bool   // nothing of it may be lost with the power
	Reserved bool   // it may use the room that is reserved for a full disk

	Jobs     []*Job
	creation bool // with when the journal was made
}

// Commit returns what must be written now, or nil. With all it includes what could
// still wait.
//
// After a write that has failed only refusals, ends and the age of the journal may use
// the reserved room. Nothing begins from it, and the names are not worth it.
func (b *Table) Commit(now time.Time, all bool) *Commit {
	due := len(b.unsaved) > 0 && (all || !now.Before(b.saveBy))
	held := b.namesDirty && (!b.failed || len(b.unsaved) == 0 && !b.creationDirty)
	if !due && !held && !b.creationDirty {
		return nil
	}
	c := &Commit{Records: make([][]byte, len(b.unsaved)), Jobs: b.unsaved, creation: b.creationDirty, Sync: b.creationDirty}
	for i, j := range c.Jobs {
		r := &j.record
		switch {
		case r.unsaved.BegunAt != 0 && j.Phase == Running && !r.started:
			c.Start, c.Sync = append(c.Start, j), true
		case r.unsaved.Ended != nil && j.Result.StartedAt == 0:
			c.Sync = true // operators hear that it never runs: that must stay true
		}
		c.Records[i] = r.unsaved.encode()
		r.unsaved, r.urgent = nil, false
		r.saving++
	}
	c.Records = append(c.Records, b.tableRecords(b.creationDirty, held, false)...)
	c.Reserved = b.failed && len(c.Start) == 0 && (len(c.Jobs) > 0 || c.creation)
	b.unsaved, b.creationDirty, b.namesDirty = nil, false, false
	return c
}

// Committed notes that a commit is written.
func (b *Table) Committed(c *Commit) {
	b.failed = false
	for _, j := range c.Jobs {
		j.record.saving--
	}
	for _, j := range c.Start {
		j.record.started = true
	}
}

// Rollback takes back a commit that could not be written, so that all of it is tried
// again. What was to start is ended with reason.
func (b *Table) Rollback(c *Commit, reason string, now time.Time) {
	b.failed = true
	for _, j := range c.Start {
		b.FailBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: reason}, now)
	}
	for _, j := range c.Jobs {
		j.record.saving--
		whole := j.whole()
		*b.entry(j) = whole
	}
	b.creationDirty = b.creationDirty || c.creation
}

// Snapshot returns the whole content of a new file.
func (b *Table) Snapshot() [][]byte {
	records := append(make([][]byte, 0, len(b.jobs)+3), b.tableRecords(true, true, true)...)
	for _, j := range b.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	return records
}
