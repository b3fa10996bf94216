package executor

import "time"

// recordState is how far the journal's file knows a job.
type recordState struct {
	identified bool   // the file knows who it is
	unsaved    *entry // what the file does not have yet
	urgent     bool   // and must have before anything is said of the job
	saving     int    // entries that are being written
	handedOver bool   // its begin is written, and the job was given out to be executed
}

// durable reports whether all that must not be lost of a job is written.
func (j *job) durable() bool { return j.record.saving == 0 && !j.record.urgent }

// changes collects what the journal's file does not have yet.
type changes struct {
	unsaved []*job
	saveBy  time.Time // the first of it must be written then
}

// entry is what to write of j before anything is said or done.
func (c *changes) entry(j *job) *entry {
	e := c.entryBy(j, time.Time{})
	j.record.urgent = true
	return e
}

// entryBy is the same for what can wait until then. It is written together with the
// next entry that cannot.
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

// due reports whether something must be written now.
func (c *changes) due(now time.Time) bool { return len(c.unsaved) > 0 && !now.Before(c.saveBy) }

// A commit is what one write to the journal's file holds.
type commit struct {
	records [][]byte
	begun   []*job // to be executed once it is written
	sync    bool   // nothing of it may be lost with the power
	jobs    []*job
	made    bool // with when the journal was made
}

// commit takes what is to be written: the entries of all jobs and, where asked for, the
// records about the journal itself.
func (b *journal) commit(made, held bool) *commit {
	c := &commit{records: make([][]byte, len(b.unsaved)), jobs: b.unsaved, made: made, sync: made}
	b.unsaved, b.madeDirty, b.heldDirty = nil, false, false
	for i, j := range c.jobs {
		r := &j.record
		switch {
		case r.unsaved.BegunAt != 0 && j.phase == running && !r.handedOver:
			c.begun, c.sync = append(c.begun, j), true
		case r.unsaved.Ended != nil && j.result.StartedAt == 0:
			c.sync = true // operators hear that it never runs: that must stay true
		}
		c.records[i] = r.unsaved.encode()
		r.unsaved, r.urgent = nil, false
		r.saving++
	}
	c.records = append(c.records, b.memos(made, held, false)...)
	return c
}

// committed notes that a commit is written.
func (b *journal) committed(c *commit) {
	for _, j := range c.jobs {
		j.record.saving--
	}
	for _, j := range c.begun {
		j.record.handedOver = true
	}
}

// rollback takes back a commit that could not be written; all of it is tried again.
func (b *journal) rollback(c *commit) {
	for _, j := range c.jobs {
		j.record.saving--
		whole := j.whole()
		*b.entry(j) = whole
	}
	b.madeDirty = b.madeDirty || c.made
}

// records is the whole content of a new file.
func (b *journal) records() [][]byte {
	records := append(make([][]byte, 0, len(b.jobs)+3), b.memos(true, true, true)...)
	for _, j := range b.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	return records
}
