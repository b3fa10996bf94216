package results

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/results/archive"
	"warren/internal/operator/results/merge"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

// The bounds of one transaction. It holds the database's write lock, for which other
// processes wait, and its output in memory.
const (
	batchUpdates = 1000
	batchBytes   = 4 << 20
)

// A batch is what one transaction stores.
type batch struct {
	requests []*applying
	updates  int
	bytes    int
}

func (b *batch) add(r *applying) {
	b.requests = append(b.requests, r)
	b.updates += len(r.updates)
	for i := range r.updates {
		b.bytes += r.updates[i].OutputBytes()
	}
}

func (b *batch) full() bool { return b.updates >= batchUpdates || b.bytes >= batchBytes }

// commit stores a batch in one transaction, reports to drivers, followers and watchers, and
// answers the requests. If the transaction fails, nothing of it is stored and each request
// gets the error.
func (a *actor) commit(b *batch) {
	if len(b.requests) == 0 {
		return
	}
	m := &merging{
		live: a.live, knownHosts: a.knownHosts, jobs: make(map[uuid.UUID]*mergedJob, b.updates),
		deltas: map[int64]map[string]int{}, revs: map[int64]int64{}, archives: a.archives.NewWriter(),
	}
	err := a.db.Do(func(tx *sqlite.Tx) error {
		m.tx = tx
		return errors.Join(m.run(b), m.archives.Close())
	})
	err = sqlite.Explain(a.path, err)
	noteWrite(a, err)
	if err != nil {
		a.log.Error("results not stored", "updates", b.updates, "err", err)
	} else {
		a.counts.Add(m.counts)
		for _, host := range m.newHosts {
			a.knownHosts[host] = true
		}
		for _, j := range m.order {
			a.live.report(j, m.version)
		}
		a.transfers.report(m, time.Now())
		a.changed(m)
	}
	for _, r := range b.requests {
		r.answer <- err
	}
}

// noteWrite notes whether the last transaction failed.
func noteWrite(a *actor, err error) {
	if err != nil && a.writeError == nil {
		a.failedSince = time.Now()
	}
	a.writeError = err
}

// A merging is a transaction under way: the records that it has read, as its updates have
// changed them. None of it reaches the actor's state unless it is committed.
type merging struct {
	tx         *sqlite.Tx
	live       liveJobs
	knownHosts map[string]bool // see actor
	newHosts   []string        // to become known
	version    int64           // data version
	jobs       map[uuid.UUID]*mergedJob
	order      []*mergedJob // as first touched
	counts     Counts
	deltas     map[int64]map[string]int // by task row and kind
	revs       map[int64]int64          // by task row: of this transaction
	archives   *archive.Writer
}

// mergedJob is a job of a merging.
type mergedJob struct {
	id     uuid.UUID
	record merge.Record
	before merge.Facts // as read
	heard  int
	answer merge.Answer // the last, if heard is not 0

	transfer *wire.Transfer // the last; nil: none
}

func (m *merging) run(b *batch) (err error) {
	if m.version, err = m.tx.DataVersion(); err != nil {
		return err
	}
	for _, r := range b.requests {
		for _, u := range r.updates {
			if err := m.apply(u); err != nil {
				return err
			}
		}
	}
	for _, j := range m.order {
		if err := m.write(j); err != nil {
			return err
		}
	}
	return m.tx.AddCounts(m.deltas)
}

func (m *merging) apply(u Update) error {
	j, err := m.find(u.Job)
	if err != nil {
		return err
	}
	if j == nil {
		m.counts.Unknown++
		return nil
	}
	c := j.record.Merge(u)
	m.counts.Add(c.Discarded)
	if c.Heard {
		j.heard++
		j.answer = c.Answer
	}
	if t, ok := u.Reply.(*wire.Transfer); ok && c.Heard {
		j.transfer = t
	}
	for _, chunk := range c.Chunks {
		if err := m.store(j, chunk); err != nil {
			return err
		}
	}
	return nil
}

// find returns the record of a job as of this transaction, or nil if there is none. It
// reads the record if another process may have changed it since this one last wrote it.
func (m *merging) find(job string) (*mergedJob, error) {
	id, ok := sqlite.ParseID(job)
	if !ok {
		return nil, nil
	}
	if j, ok := m.jobs[id]; ok {
		return j, nil
	}
	j := &mergedJob{id: id}
	if r := m.live.known(id, m.version); r != nil {
		j.record = *r
	} else if ok, err := m.tx.ReadJob(id, &j.record); err != nil || !ok {
		m.jobs[id] = nil // remembered too
		return nil, err
	}
	j.before = j.record.Facts
	if err := m.checkArchive(j); err != nil {
		return nil, err
	}
	m.order = append(m.order, j)
	m.jobs[id] = j
	return j, nil
}

// checkArchive forgets the bytes of an archive that its file lacks. After a loss of power, the database
// may know of such bytes, because the file is synced only when it is complete.
func (m *merging) checkArchive(j *mergedJob) error {
	r := &j.record
	account := &r.Out[0]
	if !r.Archive || account.End == 0 || r.Final() && account.Whole() {
		return nil
	}
	size, err := m.archives.Size(j.id)
	if err != nil || size >= account.End {
		return err
	}
	left, err := m.tx.ShortenArchive(r.Row, size)
	account.Restore(left)
	return err
}

func (m *merging) store(j *mergedJob, c merge.Chunk) error {
	r := &j.record
	account := &r.Out[c.Stream]
	var stored []merge.Span
	if c.Offset < account.End { // beyond that nothing can overlap
		var err error
		if stored, err = m.tx.Spans(r.Row, c); err != nil {
			return err
		}
	}
	parts, refused := account.Admit(c, r.LimitOf(c), stored)
	m.counts.Refused += refused
	for _, part := range parts {
		if part.Archive {
			if err := m.archives.Write(j.id, part.Offset, part.Data); err != nil {
				return err
			}
		}
		if err := m.tx.AddOutput(r.Row, part); err != nil {
			return err
		}
	}
	return nil
}

func (m *merging) write(j *mergedJob) error {
	r := &j.record
	if r.Resigned != nil {
		if err := m.tx.WriteSignature(r); err != nil {
			return err
		}
	}
	if r.Facts == j.before {
		return nil
	}
	if err := m.sum(j); err != nil {
		return err
	}
	if from, to := j.before.Kind(), r.Kind(); from != to {
		m.count(r.Task, from, -1)
		m.count(r.Task, to, 1)
		if to != "" && r.Agent != "" && !m.knownHosts[r.Host] {
			m.newHosts = append(m.newHosts, r.Host)
			if err := m.tx.AddHost(r.Host); err != nil {
				return err
			}
		}
	}
	rev, err := m.rev(r.Task)
	if err != nil {
		return err
	}
	return m.tx.WriteJob(r, rev)
}

// rev is this transaction's revision of a task.
func (m *merging) rev(task int64) (int64, error) {
	if rev, ok := m.revs[task]; ok {
		return rev, nil
	}
	rev, err := m.tx.NewRev(task)
	m.revs[task] = rev
	return rev, err
}

// sum computes the sums of the streams that have become whole, and syncs archives.
func (m *merging) sum(j *mergedJob) (err error) {
	if !j.record.Final() {
		return nil
	}
	for i := range j.record.Out {
		account, before := &j.record.Out[i], &j.before.Out[i]
		if account.Kept == 0 || !account.Whole() || account.Sum != "" && account.Kept == before.Kept {
			continue
		}
		if j.before.Final() && before.Whole() && account.Kept != before.Kept { // what comes late may come byte by byte
			account.Sum = ""
			continue
		}
		if i == 0 && j.record.Archive { // it is large, and no two are the same
			if err := m.archives.Sync(j.id); err != nil {
				return err
			}
			continue
		}
		if account.Sum, err = m.tx.Sum(j.record.Row, i); err != nil {
			return err
		}
	}
	return nil
}

func (m *merging) count(task int64, kind string, n int) {
	if kind == "" {
		return
	}
	d := m.deltas[task]
	if d == nil {
		d = map[string]int{}
		m.deltas[task] = d
	}
	d[kind] += n
}
