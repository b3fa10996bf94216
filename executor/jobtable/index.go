package jobtable

import (
	"iter"
	"maps"
	"time"

	"warren/internal/wire"
)

// index has all jobs that the agent remembers.
type index struct {
	limits Options
	jobs   map[string]*Job
	tasks  map[string]*Job // the one job that was taken of each task
	issued map[string]int  // jobs remembered, by issuer
	done   []*Job          // ended, oldest first

	replayable      []*Job    // ended and past the retention, but they could still be replayed
	replayableUntil time.Time // the first of them can be forgotten
}

func newIndex(l Options) index {
	return index{limits: l, jobs: map[string]*Job{}, tasks: map[string]*Job{}, issued: map[string]int{}}
}

// Find is the job that an order is about, where one is known that the order's
// issuer may hear of.
func (x *index) Find(o *VerifiedRequest) *Job {
	if j := x.jobs[o.Leaf.Job]; j != nil {
		return j
	}
	return x.jobs[o.Issuer+"/"+o.Leaf.Job]
}

// OwnedByOther reports whether an order is about a job of somebody else's that its
// issuer may neither run, nor cancel, nor ask for.
func (x *index) OwnedByOther(o *VerifiedRequest) bool {
	j := x.Find(o)
	if j == nil || j.Issuer == o.Issuer {
		return false
	}
	if o.Statement.Type == wire.TypeRun {
		return j.ReplyTo != "" // else a cancel by one who may: it never runs
	}
	return !o.AnyJob
}

// Job returns the job of an id; nil where none is remembered.
func (x *index) Job(id string) *Job { return x.jobs[id] }

// All returns all jobs, in no order.
func (x *index) All() iter.Seq[*Job] { return maps.Values(x.jobs) }

// Size is how many jobs are remembered.
func (x *index) Size() int { return len(x.jobs) }

func (x *index) remember(j *Job) {
	x.jobs[j.key()] = j
	x.issued[j.Issuer]++
	if j.ReplyTo != "" && x.tasks[j.taskKey()] == nil {
		x.tasks[j.taskKey()] = j
	}
}

// hasRoom reports whether a request about a job that is not known can be remembered.
// Refusals, and jobs of which only a cancel or a status has come, have as much
// room again as jobs that are taken.
func (x *index) hasRoom(r *VerifiedRequest) bool {
	n := 2 * x.limits.Jobs
	return x.Find(r) != nil || len(x.jobs) < n && x.issued[r.Issuer] < issuerShare(r.Issuer, n)
}

// issuerShare is how much of a room for n jobs one issuer may take: three quarters, so that
// no issuer can lock the others out. Unsigned requests may take all of it.
func issuerShare(issuer string, n int) int {
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
	if len(x.replayable) > 0 && now.After(x.replayableUntil) {
		again := x.replayable
		x.replayable = nil
		for _, j := range again {
			floor = later(floor, x.drop(j, now))
		}
	}
	return floor
}

// drop forgets a job that has ended, if it can no longer be replayed, and returns its
// not-after.
func (x *index) drop(j *Job, now time.Time) (notAfter time.Time) {
	if until := j.notAfter.Add(x.limits.Tolerance); !now.After(until) {
		if len(x.replayable) == 0 || until.Before(x.replayableUntil) {
			x.replayableUntil = until
		}
		x.replayable = append(x.replayable, j)
		return time.Time{}
	}
	delete(x.jobs, j.key())
	if x.issued[j.Issuer]--; x.issued[j.Issuer] == 0 {
		delete(x.issued, j.Issuer)
	}
	if x.tasks[j.taskKey()] == j {
		delete(x.tasks, j.taskKey())
	}
	return j.notAfter
}

// operatorClockLead is how far in the future by this host's clock operators have issued
// jobs that were refused for it: as far as that clock was behind, or theirs ahead.
func (x *index) operatorClockLead() (lead time.Duration) {
	for _, j := range x.jobs {
		if d := j.issuedAt.Sub(j.AcceptedAt); j.Phase == Ended && j.Result.Outcome == wire.Rejected && d > x.limits.Tolerance {
			lead = max(lead, d)
		}
	}
	return lead
}

// redate has results that were dated by a clock ahead of now kept from now on only.
func (x *index) redate(now time.Time) {
	for _, j := range x.done {
		if time.UnixMilli(j.Result.EndedAt).After(now.Add(x.limits.Tolerance)) {
			j.retainedFrom = now
		}
	}
}

// FirstOutputSegment is the first segment of output that some job still needs.
func (x *index) FirstOutputSegment() int64 {
	first := int64(1) << 62
	for _, j := range x.jobs {
		for _, r := range j.Output {
			if r.Segment > 0 {
				first = min(first, r.Segment)
			}
		}
	}
	return first
}

// LastOutputSegment is the last segment of output that some job refers to; 0 for none.
func (x *index) LastOutputSegment() (last int64) {
	for _, j := range x.jobs {
		for _, r := range j.Output {
			last = max(last, r.Segment)
		}
	}
	return last
}
