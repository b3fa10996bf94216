package results

import (
	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
	"warren/internal/wire"
)

// liveJobs are the jobs that somebody in this process drives or follows. No more than this
// is kept in memory of a job.
type liveJobs map[uuid.UUID]*liveJob

type liveJob struct {
	listeners []*listener
	heard     int
	answer    merge.Answer
	transfer  *wire.Transfer // the last; nil: none

	// record is the job's record as this process last wrote it. It is valid as long as no
	// other process has written to the file, which version shows.
	record  merge.Record
	version int64 // data version then; 0 if record is not known
}

// note keeps what was written of a job.
func (j *liveJob) note(r *merge.Record, version int64) {
	j.record, j.version = *r, version
	j.record.Resigned = nil
}

// known returns the record of a job, or nil if another process may have changed it.
func (l liveJobs) known(job uuid.UUID, version int64) *merge.Record {
	j := l[job]
	if j == nil || j.version != version {
		return nil
	}
	return &j.record
}

// forget has all records read again.
func (l liveJobs) forget() {
	for _, j := range l {
		j.version = 0
	}
}

// A listener drives or follows a job.
type listener struct {
	job    uuid.UUID
	ch     chan Progress // capacity 1; the actor sends and closes
	follow bool          // stays until there is nothing left to ask for
}

func (l liveJobs) add(job uuid.UUID, follow bool) *listener {
	j := l[job]
	if j == nil {
		j = &liveJob{}
		l[job] = j
	}
	n := &listener{job, make(chan Progress, 1), follow}
	j.listeners = append(j.listeners, n)
	return n
}

// report sends what a transaction has done to a job.
func (l liveJobs) report(m *mergedJob, version int64) {
	j := l[m.id]
	if j == nil {
		return
	}
	j.note(&m.record, version)
	if m.heard > 0 {
		j.heard += m.heard
		j.answer = m.answer
	}
	if m.transfer != nil {
		j.transfer = m.transfer
	}
	p := Progress{
		State: m.record.State, Outcome: m.record.Outcome, OK: m.record.Kind() == model.StatusOK,
		Unknown: j.answer.Unknown, Forgotten: j.answer.Forgotten, Since: j.answer.Since, Why: j.answer.Why, Heard: j.heard,
		Have: m.record.Out[0].Begin,
	}
	stay := j.listeners[:0]
	for _, n := range j.listeners {
		replace(n.ch, p)
		if m.record.State == model.Ended && (!n.follow || m.record.Settled()) {
			close(n.ch)
		} else {
			stay = append(stay, n)
		}
	}
	clear(j.listeners[len(stay):])
	if j.listeners = stay; len(stay) == 0 {
		delete(l, m.id)
	}
}

// release closes the channels of those listeners that are still there.
func (l liveJobs) release(gone []*listener) {
	for _, n := range gone {
		j := l[n.job]
		if j == nil {
			continue
		}
		for i, m := range j.listeners {
			if m == n {
				close(n.ch)
				j.listeners = append(j.listeners[:i], j.listeners[i+1:]...)
				break
			}
		}
		if len(j.listeners) == 0 {
			delete(l, n.job)
		}
	}
}

func (l liveJobs) closeAll() {
	for _, j := range l {
		for _, n := range j.listeners {
			close(n.ch)
		}
	}
}

// replace puts v into a channel of capacity 1, in place of a value that was not read. It
// never waits, since there is no other sender.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}
