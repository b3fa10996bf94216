package jobtable

import (
	"time"

	"warren/internal/wire"
)

// recordState is what the journal has of a job.
type recordState struct {
	identified bool   // it has a record with the job's identity
	unsaved    *entry // what it does not have yet
	urgent     bool   // unsaved must be written before any reply about the job
	saving     int    // records that are being written
	started    bool   // Committed has returned for a commit that starts it
}

// Durable reports whether the journal has everything of the job that must not be lost.
func (j *Job) Durable() bool { return j.record.saving == 0 && !j.record.urgent }

// changes collects what the journal does not have yet.
type changes struct {
	unsaved []*Job
	saveBy  time.Time // when the first of it must be written
	failed  bool      // the last write failed
}

// entry returns what to write of j before the next reply about it, or its start.
func (c *changes) entry(j *Job) *entry {
	e := c.entryBy(j, time.Time{})
	j.record.urgent = true
	return e
}

// entryBy returns what to write of j before by. It is written together with the next entry
// that cannot wait.
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

// NextCommit returns when Commit has something of a job to write, if anything is unsaved.
func (c *changes) NextCommit() (at time.Time, unsaved bool) { return c.saveBy, len(c.unsaved) > 0 }

// A Commit is the content of one write to the journal.
type Commit struct {
	Records  [][]byte
	Start    []*Job // their commands start once it is written
	Sync     bool   // it must survive a loss of power
	Reserved bool   // it may use the space that is reserved for a full disk

	Jobs     []*Job
	creation bool // it has the creation time of the journal
}

// Commit returns what must be written now; nil for nothing. With all, it includes what could
// wait. Call Committed or Rollback before the next Commit.
//
// After a failed write, refusals, results and the creation time may use the reserved space.
// No job begins from it, and the names wait for other space.
func (t *Table) Commit(now time.Time, all bool) *Commit {
	due := len(t.unsaved) > 0 && (all || !now.Before(t.saveBy))
	held := t.namesDirty && (!t.failed || len(t.unsaved) == 0 && !t.creationDirty)
	if !due && !held && !t.creationDirty {
		return nil
	}
	c := &Commit{Records: make([][]byte, len(t.unsaved)), Jobs: t.unsaved, creation: t.creationDirty, Sync: t.creationDirty}
	for i, j := range c.Jobs {
		r := &j.record
		switch {
		case r.unsaved.BegunAt != 0 && j.Phase == Running && !r.started:
			c.Start, c.Sync = append(c.Start, j), true
		case r.unsaved.Ended != nil && j.Result.StartedAt == 0:
			c.Sync = true // operators learn that it never runs, so this must stay true
		}
		c.Records[i] = r.unsaved.encode()
		r.unsaved, r.urgent = nil, false
		r.saving++
	}
	c.Records = append(c.Records, t.tableRecords(t.creationDirty, held, false)...)
	c.Reserved = t.failed && len(c.Start) == 0 && (len(c.Jobs) > 0 || c.creation)
	t.unsaved, t.creationDirty, t.namesDirty = nil, false, false
	return c
}

// Committed notes that a commit was written.
func (t *Table) Committed(c *Commit) {
	t.failed = false
	for _, j := range c.Jobs {
		j.record.saving--
	}
	for _, j := range c.Start {
		j.record.started = true
	}
}

// Rollback takes back a commit that could not be written. The next Commit has all of it
// again. The jobs that it starts end as rejected, for this reason.
func (t *Table) Rollback(c *Commit, reason string, now time.Time) {
	t.failed = true
	for _, j := range c.Start {
		t.FailBeforeStart(j, wire.Ended{Outcome: wire.Rejected, Reason: reason}, now)
	}
	for _, j := range c.Jobs {
		j.record.saving--
		whole := j.whole()
		*t.entry(j) = whole
	}
	t.creationDirty = t.creationDirty || c.creation
}

// Snapshot returns the records of everything, for a journal that is rewritten.
func (t *Table) Snapshot() [][]byte {
	records := append(make([][]byte, 0, len(t.jobs)+3), t.tableRecords(true, true, true)...)
	for _, j := range t.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	return records
}
