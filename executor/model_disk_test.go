package executor

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"warren/internal/agent/journal"
)

// A platter is the journal's file. Records that were not synced outlive the
// process but not the power.
type platter struct {
	mu       sync.Mutex
	created  time.Time
	isNew    bool
	takes    time.Duration
	records  [][]byte
	synced   int
	full     time.Time // until when there is room for reserved records only
	dead     time.Time // until when there is none at all
	opened   *lifeFile // who writes
	inFlight [][]byte
	begun    map[string]bool // jobs that were ever recorded as begun
}

// lifeFile is the file as one life of the agent has it open.
type lifeFile struct{ p *platter }

// sizeScale makes a journal of a few records one that is worth compacting.
const sizeScale = 1000

func (p *platter) open() (f *lifeFile, records [][]byte, created time.Time, isNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened, p.inFlight, p.synced = &lifeFile{p}, nil, len(p.records)
	isNew, p.isNew = p.isNew, false
	return p.opened, slices.Clone(p.records), p.created, isNew
}

// hold writes down that an agent has answered to a name since the journal was made,
// up to now.
func (p *platter) hold(name string, now time.Time) {
	p.records = append(p.records, fmt.Appendf(nil, `{"names":{"held":{%q:{"at":%d}},"until":{"at":%d}}}`,
		name, p.created.UnixMilli(), now.UnixMilli()))
	p.synced = len(p.records)
}

// crash closes the file for one life. Of what was not safe, tail records are
// there by luck.
func (p *platter) crash(f *lifeFile, tail int, power bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened != f {
		return
	}
	safe, all := len(p.records), append(slices.Clip(p.records), p.inFlight...)
	if power {
		safe = p.synced
	}
	p.records = all[:min(safe+tail, len(all))]
	p.note(p.records)
	p.opened, p.inFlight = nil, nil
}

func (p *platter) wipe(created time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records, p.synced, p.created, p.isNew = nil, 0, created, true
}

func (p *platter) fill(n int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == 0 {
		p.dead = time.Now().Add(d)
	}
	p.full = time.Now().Add(d)
}

// knows reports whether the file has a record of a job of which something is true.
func (p *platter) knows(job string, is func(*journalRecord) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.records, func(r []byte) bool {
		var e journalRecord
		return json.Unmarshal(r, &e) == nil && e.Job == job && is(&e)
	})
}

// note remembers which jobs were ever recorded as begun. Its caller has the lock.
func (p *platter) note(records [][]byte) {
	for _, r := range records {
		var e journalRecord
		if json.Unmarshal(r, &e) == nil && e.BegunAt != 0 {
			p.begun[e.Job] = true
		}
	}
}

func (f *lifeFile) Append(_ context.Context, records [][]byte, mode journal.Mode) (<-chan journal.Answer, error) {
	p := f.p
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := make(chan journal.Answer, 1)
	now := time.Now()
	if now.Before(p.dead) || now.Before(p.full) && mode&journal.Reserved == 0 {
		answer <- journal.Answer{Err: journal.ErrFull}
		return answer, nil
	}
	p.inFlight = records
	p.write(f, answer, func() {
		p.records = append(p.records, records...)
		p.note(records)
		if mode&journal.Sync != 0 {
			p.synced = len(p.records)
		}
	})
	return answer, nil
}

func (f *lifeFile) Rewrite(_ context.Context, records iter.Seq[[]byte]) (<-chan journal.Answer, error) {
	p := f.p
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := make(chan journal.Answer, 1)
	all := slices.Collect(records)
	p.write(f, answer, func() { p.records, p.synced = all, len(all) })
	return answer, nil
}

// write does something to the file in its time, unless its writer is dead by then.
func (p *platter) write(f *lifeFile, answer chan<- journal.Answer, do func()) {
	time.AfterFunc(p.takes, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.opened != f {
			return
		}
		do()
		p.inFlight = nil
		size := 0
		for _, r := range p.records {
			size += len(r)
		}
		answer <- journal.Answer{Size: int64(size) * sizeScale}
	})
}
