package results

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
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
	for _, u := range r.updates {
		b.bytes += outputBytes(u)
	}
}

func (b *batch) full() bool { return b.updates >= batchUpdates || b.bytes >= batchBytes }

// outputBytes is what an update weighs beyond its facts.
func outputBytes(u Update) int {
	n := 0
	switch m := u.Reply.(type) {
	case *wire.Output:
		n = len(m.Data)
	case *wire.Ended:
		for _, s := range []*wire.Stream{m.Stdout, m.Stderr} {
			if s != nil {
				n += len(s.Data)
			}
		}
	}
	return n
}

// A merging is a transaction under way: the records that it has read, as its
// updates have changed them. Nothing of it reaches the actor's state unless it
// is committed.
type merging struct {
	tx      *txer
	live    liveJobs
	named   map[string]bool // see actor
	newly   []string        // to become of named
	version int64           // PRAGMA data_version
	records map[uuid.UUID]*merged
	order   []*merged // as first touched
	counts  Counts
	deltas  map[int64]map[string]int // by task row and kind
	limits  map[int64]int64          // by task row
	revs    map[int64]int64          // by task row: of this transaction
}

// merged is a record of a merging.
type merged struct {
	id     uuid.UUID
	record record
	before *facts   // as known or read
	piece  [2]chunk // the last that was stored of each stream
	pieces [2]int   // how many are stored of each stream; 0 until that was asked for

	heard              int
	unknown, forgotten bool
	since              int64
	why                string
}

// commit stores a batch in one transaction, tells whoever drives, follows and
// watches, and answers. If the transaction fails, nothing of it has happened
// and each asker gets the error.
func (a *actor) commit(b *batch) {
	if len(b.requests) == 0 {
		return
	}
	m := &merging{
		tx: a.tx, live: a.live, named: a.named, records: make(map[uuid.UUID]*merged, b.updates),
		deltas: map[int64]map[string]int{}, limits: map[int64]int64{}, revs: map[int64]int64{},
	}
	err := a.tx.do(func() error { return m.run(b) })
	a.noteTrouble(err)
	if err != nil {
		err = explain(a.path, err)
		a.log.Error("results not stored", "updates", b.updates, "err", err)
	} else {
		a.counts.add(m.counts)
		for _, host := range m.newly {
			a.named[host] = true
		}
		for _, j := range m.order {
			a.live.tell(j, m.version)
		}
		a.changed(m)
	}
	for _, r := range b.requests {
		r.answer <- err
	}
}

func (a *actor) noteTrouble(err error) {
	if err != nil && a.trouble == nil {
		a.since = time.Now()
	}
	a.trouble = err
}

func (m *merging) run(b *batch) (err error) {
	if m.version, err = m.tx.dataVersion(); err != nil {
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
	return m.tx.addCounts(m.deltas)
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
	c := j.record.merge(u)
	m.counts.add(c.discarded)
	if c.heard {
		j.heard++
		j.unknown, j.forgotten, j.since, j.why = c.unknown, c.forgotten, c.since, c.why
	}
	for _, c := range c.chunks {
		if err := m.store(j, c); err != nil {
			return err
		}
	}
	return nil
}

// find returns the record of a job as of this transaction, or nil where there is
// none. It is read where another process may have written it since this one last
// has.
func (m *merging) find(job string) (*merged, error) {
	id, ok := parseID(job)
	if !ok {
		return nil, nil
	}
	if j, ok := m.records[id]; ok {
		return j, nil
	}
	j := &merged{id: id}
	if r := m.live.known(id, m.version); r != nil {
		j.record = *r
		return m.found(j, &r.facts), nil
	}
	ok, err := m.tx.readJob(id, &j.record)
	if err != nil {
		return nil, err
	}
	if !ok {
		m.records[id] = nil // remembered too
		return nil, nil
	}
	j.record.limit, err = m.limit(j.record.task)
	if errors.Is(err, sql.ErrNoRows) { // the task was removed, its jobs are still to go
		m.records[id] = nil
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	read := j.record.facts
	return m.found(j, &read), nil
}

func (m *merging) found(j *merged, before *facts) *merged {
	j.before = before
	m.order = append(m.order, j)
	m.records[j.id] = j
	return j
}

func (m *merging) limit(task int64) (int64, error) {
	n, ok := m.limits[task]
	if ok {
		return n, nil
	}
	n, err := m.tx.maxOutput(task)
	m.limits[task] = n
	return n, err
}

func (m *merging) store(j *merged, c chunk) error {
	r := &j.record
	acc := &r.out[c.stream]
	var have []span
	if c.offset < acc.end { // beyond that nothing can overlap
		var err error
		if have, err = m.tx.spans(r.row, c); err != nil {
			return err
		}
	}
	first := acc.kept == 0 // as mostly: it costs one statement
	parts, refused := acc.admit(c, r.limit, have)
	m.counts.Refused += refused
	for _, p := range parts {
		stored, err := m.add(j, p, first)
		if err != nil {
			return err
		}
		if !stored {
			acc.kept -= int64(len(p.data))
			m.counts.Refused += int64(len(p.data))
			continue
		}
		j.piece[p.stream], first = p, false
	}
	return nil
}

// add stores a piece, the first of its stream or a further one, and reports whether
// there was room for it. The pieces of a stream are counted once in a transaction:
// an agent that leaves gaps sends as many as it likes.
func (m *merging) add(j *merged, p chunk, first bool) (bool, error) {
	pieces := &j.pieces[p.stream]
	if !first && len(p.data) < crumb {
		extended, err := m.tx.extendOutput(j.record.row, p)
		if extended || err != nil {
			return true, err
		}
		if *pieces == 0 {
			if *pieces, err = m.tx.pieces(j.record.row, p.stream); err != nil {
				return false, err
			}
		}
		if *pieces >= maxPieces {
			return false, nil
		}
	}
	if *pieces > 0 {
		*pieces++
	}
	return true, m.tx.addOutput(j.record.row, p)
}

func (m *merging) write(j *merged) error {
	r := &j.record
	if r.anew != nil {
		if err := m.tx.writeSigned(r); err != nil {
			return err
		}
	}
	if r.facts == *j.before {
		return nil
	}
	if err := m.sum(j); err != nil {
		return err
	}
	if from, to := j.before.kind(), r.kind(); from != to {
		m.count(r.task, from, -1)
		m.count(r.task, to, 1)
		if to != "" && r.agent != "" && !m.named[r.host] {
			m.newly = append(m.newly, r.host)
			if err := m.tx.addHost(r.host); err != nil {
				return err
			}
		}
	}
	rev, err := m.rev(r.task)
	if err != nil {
		return err
	}
	return m.tx.writeJob(r, rev)
}

// rev is this transaction's revision of a task.
func (m *merging) rev(task int64) (int64, error) {
	if rev, ok := m.revs[task]; ok {
		return rev, nil
	}
	rev, err := m.tx.newRev(task)
	m.revs[task] = rev
	return rev, err
}

// sum keeps the sums of streams that are whole. What has come in one piece need
// not be read again.
func (m *merging) sum(j *merged) (err error) {
	if !j.record.final() {
		return nil
	}
	for i := range j.record.out {
		acc, before := &j.record.out[i], &j.before.out[i]
		switch {
		case acc.kept == 0 || !acc.whole() || acc.sum != "" && acc.kept == before.kept:
		case int64(len(j.piece[i].data)) == acc.kept: // it is all there is
			var h contentHash
			h.add(j.piece[i].offset, j.piece[i].data)
			acc.sum = h.sum()
		default:
			if acc.sum, err = m.tx.sum(j.record.row, i); err != nil {
				return err
			}
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

func (c *Counts) add(d Counts) {
	c.Unknown += d.Unknown
	c.Foreign += d.Foreign
	c.Repeated += d.Repeated
	c.Conflicts += d.Conflicts
	c.Refused += d.Refused
}

// parseID takes the one form that ids are written in, which uuid.Parse alone
// does not insist on.
func parseID(s string) (uuid.UUID, bool) {
	if len(s) != len(uuid.UUID{}.String()) {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}
