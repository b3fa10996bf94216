package executor

import (
	"iter"
	"maps"
	"time"

	"warren/internal/wire"
)

// index has all jobs that the agent remembers.
type index struct {
	limits tableOptions
	jobs   map[string]*job
	tasks  map[string]*job // the one job that was taken of each task
	issued map[string]int  // jobs remembered, by issuer
	done   []*job          // ended, oldest first

	lasting      []*job    // ended and past the retention, but they could still be replayed
	lastingUntil time.Time // the first of them can be forgotten
}

func newIndex(l tableOptions) index {
	return index{limits: l, jobs: map[string]*job{}, tasks: map[string]*job{}, issued: map[string]int{}}
}

// known is the job that an order is about, where one is known that the order's
// issuer may hear of.
func (x *index) known(o *order) *job {
	if j := x.jobs[o.Leaf.Job]; j != nil {
		return j
	}
	return x.jobs[o.issuer+"/"+o.Leaf.Job]
}

// foreign reports whether an order is about a job of somebody else's that its
// issuer may neither run, nor cancel, nor ask for.
func (x *index) foreign(o *order) bool {
	j := x.known(o)
	if j == nil || j.issuer == o.issuer {
		return false
	}
	if o.Statement.Type == wire.TypeRun {
		return j.replyTo != "" // else a cancel by one who may: it never runs
	}
	return !o.anyJob
}

// job returns the job of an id; nil where none is remembered.
func (x *index) job(id string) *job { return x.jobs[id] }

// all returns all jobs, in no order.
func (x *index) all() iter.Seq[*job] { return maps.Values(x.jobs) }

// size is how many jobs are remembered.
func (x *index) size() int { return len(x.jobs) }

func (x *index) remember(j *job) {
	x.jobs[j.key()] = j
	x.issued[j.issuer]++
	if j.replyTo != "" && x.tasks[j.taskOf()] == nil {
		x.tasks[j.taskOf()] = j
	}
}

// hasRoom reports whether a request about a job that is not known can be remembered.
// Refusals, and jobs of which only a cancel or a status has come, have as much
// room again as jobs that are taken.
func (x *index) hasRoom(r *order) bool {
	n := 2 * x.limits.Jobs
	return x.known(r) != nil || len(x.jobs) < n && x.issued[r.issuer] < share(r.issuer, n)
}

// share is how much of a room for n jobs one issuer may take: three quarters, so that
// no issuer can lock the others out. Unsigned requests may take all of it.
func share(issuer string, n int) int {
	if issuer == "" {
		return n
	}
	return n - n/4
}

// forget drops jobs that are older than the retention and can no longer be replayed.
// Those that still could be are put aside, so that they keep no other from being
// dropped. It returns the latest not-after of the dropped jobs.
func (x *index) forget(now time.Time) (floor time.Time) {
	n := 0
	for _, j := range x.done {
		if now.Before(j.endedAt().Add(x.limits.Retention)) {
			break
		}
		floor = later(floor, x.drop(j, now))
		n++
	}
	x.done = x.done[n:]
	if len(x.lasting) > 0 && now.After(x.lastingUntil) {
		again := x.lasting
		x.lasting = nil
		for _, j := range again {
			floor = later(floor, x.drop(j, now))
		}
	}
	return floor
}

// drop forgets a job that has ended, if it can no longer be replayed, and returns its
// not-after.
func (x *index) drop(j *job, now time.Time) (notAfter time.Time) {
	if until := j.notAfter.Add(x.limits.Tolerance); !now.After(until) {
		if len(x.lasting) == 0 || until.Before(x.lastingUntil) {
			x.lastingUntil = until
		}
		x.lasting = append(x.lasting, j)
		return time.Time{}
	}
	delete(x.jobs, j.key())
	if x.issued[j.issuer]--; x.issued[j.issuer] == 0 {
		delete(x.issued, j.issuer)
	}
	if x.tasks[j.taskOf()] == j {
		delete(x.tasks, j.taskOf())
	}
	return j.notAfter
}

// leadOfOperators is how far in the future by this host's clock operators have issued
// jobs that were refused for it: as far as that clock was behind, or theirs ahead.
func (x *index) leadOfOperators() (lead time.Duration) {
	for _, j := range x.jobs {
		if d := j.issuedAt.Sub(j.acceptedAt); j.phase == ended && j.result.Outcome == wire.Rejected && d > x.limits.Tolerance {
			lead = max(lead, d)
		}
	}
	return lead
}

// redate has results that were dated by a clock ahead of now kept from now on only.
func (x *index) redate(now time.Time) {
	for _, j := range x.done {
		if time.UnixMilli(j.result.EndedAt).After(now.Add(x.limits.Tolerance)) {
			j.keptFrom = now
		}
	}
}

// firstSegment is the first segment of output that some job still needs.
func (x *index) firstSegment() int64 {
	first := int64(1) << 62
	for _, j := range x.jobs {
		for _, r := range j.kept {
			if r.Segment > 0 {
				first = min(first, r.Segment)
			}
		}
	}
	return first
}

// lastSegment is the last segment of output that some job refers to; 0 for none.
func (x *index) lastSegment() (last int64) {
	for _, j := range x.jobs {
		for _, r := range j.kept {
			last = max(last, r.Segment)
		}
	}
	return last
}
