package jobtable

import (
	"iter"
	"maps"
	"time"

	"warren/internal/wire"
)

// An index has all jobs in the table.
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

// Find returns the job that a request is about, or its issuer's placeholder; nil for none.
func (x *index) Find(o *VerifiedRequest) *Job {
	if j := x.jobs[o.Leaf.Job]; j != nil {
		return j
	}
	return x.jobs[o.Issuer+"/"+o.Leaf.Job]
}

// OwnedByOther reports whether a request is about another issuer's job, and its issuer may
// not run, cancel or query that job.
func (x *index) OwnedByOther(o *VerifiedRequest) bool {
	j := x.Find(o)
	if j == nil || j.Issuer == o.Issuer {
		return false
	}
	if o.Statement.Type == wire.TypeRun {
		return j.ReplyTo != "" // else it is a placeholder of an issuer who may cancel any job
	}
	return !o.AnyJob
}

// Job returns the job with an id; nil if there is none.
func (x *index) Job(id string) *Job { return x.jobs[id] }

// All returns all jobs, in no order.
func (x *index) All() iter.Seq[*Job] { return maps.Values(x.jobs) }

// Size returns the number of jobs.
func (x *index) Size() int { return len(x.jobs) }

func (x *index) remember(j *Job) {
	x.jobs[j.key()] = j
	x.issued[j.Issuer]++
	if j.ReplyTo != "" && x.tasks[j.taskKey()] == nil {
		x.tasks[j.taskKey()] = j
	}
}

// hasRoom reports whether the job of a request is in the table, or can be added. Refused
// jobs and placeholders have as much room again as other jobs, of which one issuer may not use so
// much that no other job is accepted.
func (x *index) hasRoom(r *VerifiedRequest) bool {
	n := x.limits.Jobs
	return x.Find(r) != nil || len(x.jobs) < 2*n && (r.Issuer == "" || x.issued[r.Issuer] < n-n/8)
}

// issuerShare returns how many of n places one issuer may use: three quarters, so that no
// issuer can lock the others out. Unsigned requests may use all.
func issuerShare(issuer string, n int) int {
	if issuer == "" {
		return n
	}
	return n - n/4
}

// forget drops jobs that are older than the retention, unless their requests can still be
// replayed. Those are kept aside, so that they do not block the others. It returns the
// latest not-after of the dropped jobs.
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

// drop removes a job that has ended, unless its request can still be replayed, and returns
// its not-after.
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

// operatorClockLead returns how far in the future by this host's clock jobs were issued that
// were refused for that: this clock was behind by as much, or the operator's ahead.
func (x *index) operatorClockLead() (lead time.Duration) {
	for _, j := range x.jobs {
		if d := j.issuedAt.Sub(j.AcceptedAt); j.Phase == Ended && j.Result.Outcome == wire.Rejected && d > x.limits.Tolerance {
			lead = max(lead, d)
		}
	}
	return lead
}

// redate counts the retention of results that were dated by a clock ahead from now on.
func (x *index) redate(now time.Time) {
	for _, j := range x.done {
		if time.UnixMilli(j.Result.EndedAt).After(now.Add(x.limits.Tolerance)) {
			j.retainedFrom = now
		}
	}
}

// FirstOutputSegment returns the first segment of output that a job refers to whose result is
// still kept.
func (x *index) FirstOutputSegment(now time.Time) int64 {
	first := int64(1) << 62
	for _, j := range x.jobs {
		if j.Phase == Ended && !now.Before(j.endedAt().Add(x.limits.Retention)) {
			continue
		}
		for _, r := range j.Output {
			if r.Segment > 0 {
				first = min(first, r.Segment)
			}
		}
	}
	return first
}

// LastOutputSegment returns the last segment of output that a job refers to; 0 for none.
func (x *index) LastOutputSegment() (last int64) {
	for _, j := range x.jobs {
		for _, r := range j.Output {
			last = max(last, r.Segment)
		}
	}
	return last
}
