package results

import (
	"github.com/google/uuid"

	"warren/internal/operator/model"
)

// liveJobs are the jobs that somebody in this process drives or follows. Of a
// job no more is kept in memory than this.
type liveJobs map[uuid.UUID]*liveJob

type liveJob struct {
	listeners          []*listener
	heard              int
	unknown, forgotten bool
	since              int64
	why                string

	// record is the job's as this process has last written it. It need not be
	// read again as long as nobody else has written to the file: version tells.
	record  record
	version int64 // PRAGMA data_version then; 0 where record is not known
}

// note keeps what has been written of a job.
func (j *liveJob) note(r *record, version int64) {
	j.record, j.version = *r, version
	j.record.anew = nil
}

// known is the record of a job, where nobody else can have changed it.
func (l liveJobs) known(job uuid.UUID, version int64) *record {
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

// A listener is one who drives or follows a job.
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

// tell passes on what a transaction has done to a job.
func (l liveJobs) tell(m *merged, version int64) {
	j := l[m.id]
	if j == nil {
		return
	}
	j.note(&m.record, version)
	if m.heard > 0 {
		j.heard += m.heard
		j.unknown, j.forgotten, j.since, j.why = m.unknown, m.forgotten, m.since, m.why
	}
	p := Progress{m.record.state, m.record.outcome, m.record.kind() == model.StatusOK, j.unknown, j.forgotten, j.since, j.why, j.heard}
	stay := j.listeners[:0]
	for _, n := range j.listeners {
		replace(n.ch, p)
		if m.record.state == model.Ended && (!n.follow || m.record.settled()) {
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

// release closes the channels of those that are still there.
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

// replace puts v into a channel of capacity 1 in place of what has not been
// read. It never waits, since nobody else sends.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}
