package executor

import (
	"fmt"
	"slices"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

const (
	// processBy is how soon it is written who a command's process is, once that is
	// known (process.Run). What has ended by then needs no such entry; what survives an
	// agent that is killed before is found by its environment on Linux; elsewhere, or if
	// it has cleared that, it may live, and the reason says so.
	processBy = 10 * time.Millisecond

	// toldBy is how soon it is written that an operator has a result. An agent
	// that is killed before tells it once more.
	toldBy = 10 * time.Second
)

// Limits bound an agent's memory of jobs.
type Limits struct {
	Workers   int           // commands that run at the same time
	Queue     int           // accepted jobs that wait for a worker
	Jobs      int           // jobs remembered
	Output    int64         // bytes of output remembered, running jobs not counted
	MaxOutput int64         // bytes kept of each stream of one job, whatever is asked for
	Retention time.Duration // how long a result is kept
	Tolerance time.Duration // between the operator's clock and this one
}

// journal is what the agent knows of jobs: pure state, owned by the agent loop,
// with no goroutine, channel, clock or file in it. It decides what becomes of a
// request and sees to it that no job runs twice and none ends twice. What is to
// outlive the process it leaves in unsaved, for the loop to write.
type journal struct {
	limits  Limits
	agent   string    // this agent's id now
	since   time.Time // jobs issued before may have run and are not known
	floor   time.Time // likewise jobs whose not-after is not later: they may have been forgotten
	jobs    map[string]*job
	tasks   map[string]*job // the one job that was taken of each task
	issued  map[string]int  // jobs remembered, by issuer
	queue   []*job          // waiting, first come first served
	held    []*job          // waiting, not to begin before the inbox is drained
	quiet   []*job          // not ended, and too young to be talked about
	running int
	done    []*job // ended, oldest first

	lasting      []*job    // ended and past the retention, but they could still be replayed
	lastingUntil time.Time // the first of them can be forgotten

	made        made          // when it was made, from which since follows
	names       names         // that the agent answers to
	clock       moment        // of the last settle
	maxValidity time.Duration // of a statement; zero: not known

	madeDirty, heldDirty bool // made, names: the file is yet to be told

	unsaved []*job    // with something for the journal's file
	saveBy  time.Time // the first of it is to be written then
}

// newJournal makes a journal that knows all that was issued since then.
func newJournal(l Limits, since time.Time) *journal {
	return &journal{
		limits: l, since: since,
		jobs: map[string]*job{}, tasks: map[string]*job{}, issued: map[string]int{},
	}
}

// entry is what the file is yet to be told of j before anything is said or done.
func (b *journal) entry(j *job) *entry {
	e := b.entryBy(j, time.Time{})
	j.urgent = true
	return e
}

// entryBy is the same for what can wait until then, to be written with the next
// entry that cannot.
func (b *journal) entryBy(j *job, by time.Time) *entry {
	if len(b.unsaved) == 0 || by.Before(b.saveBy) {
		b.saveBy = by
	}
	if j.unsaved == nil {
		j.unsaved = &entry{Job: j.id}
		if j.hearsay() {
			j.unsaved.Hearsay, j.unsaved.Issuer = true, j.issuer
		}
		if !j.recorded {
			*j.unsaved = j.identity()
			j.recorded = true
		}
		b.unsaved = append(b.unsaved, j)
	}
	return j.unsaved
}

// again has the file be told all of j, its last entry having failed.
func (b *journal) again(j *job) {
	whole := j.whole()
	*b.entry(j) = whole
}

// accept takes a verified run. The job it returns is new and waits, or has
// ended at once with a refusal, or was known before (known). A refusal that is
// not empty is the policy's. It is nil where the job is forgotten, and where not
// even a refusal can be remembered: then nothing is answered, and the operator
// sends again. A held job does not begin before unhold.
func (b *journal) accept(r *order, refusal string, held bool, now time.Time) (j *job, known bool) {
	if j := b.known(r); j != nil && j.uncertain && r.doubted() {
		return nil, false
	} else if j != nil {
		j.uncertain = false // it has waited in the inbox, so that no other host has run it
		return j, true
	}
	j = &job{
		id: r.Leaf.Job, task: r.Statement.Task, host: r.Leaf.Host,
		issuedAt: time.UnixMilli(r.Statement.IssuedAt), notAfter: time.UnixMilli(r.Statement.NotAfter),
		run: r.run, secret: r.Secret, signature: r.Signature, agent: b.agent, digest: r.Digest, issuer: r.issuer,
		acceptedAt: now, quietUntil: now.Add(quiet), replyTo: r.Statement.ReplyTo,
	}
	if b.doubts(r, j.issuedAt, j.notAfter) != certain {
		b.deny(r.Leaf.Host, j.issuedAt)
		return nil, false
	}
	if !b.room(r, now) {
		return nil, false
	}
	if outcome, reason := b.refuse(j, refusal, now); outcome != "" {
		b.remember(j)
		b.close(j, wire.Ended{Outcome: outcome, Reason: reason}, now)
		return j, false
	}
	b.remember(j)
	e := b.entry(j)
	e.Run, e.Signature, e.Held = j.run, j.signature, held
	if j.inbox = held; held {
		b.held = append(b.held, j)
	} else {
		b.queue = append(b.queue, j)
	}
	b.quiet = append(b.quiet, j)
	return j, false
}

func (b *journal) refuse(j *job, refusal string, now time.Time) (wire.Outcome, string) {
	switch first := b.tasks[j.taskOf()]; {
	case refusal != "":
		return wire.Rejected, refusal
	case first != nil:
		return wire.Rejected, "duplicate of " + first.id
	case j.issuedAt.After(now.Add(b.limits.Tolerance)):
		return wire.Rejected, fmt.Sprintf("issued %s in the future by this host's clock", j.issuedAt.Sub(now).Round(time.Second))
	case now.After(j.notAfter.Add(b.limits.Tolerance)):
		return wire.Expired, fmt.Sprintf("arrived %s after its time was up", now.Sub(j.notAfter).Round(time.Millisecond))
	case len(b.jobs) >= b.limits.Jobs:
		return wire.Rejected, fmt.Sprintf("journal full: %d jobs remembered", len(b.jobs))
	case b.issued[j.issuer] >= b.share(j.issuer, b.limits.Jobs):
		return wire.Rejected, fmt.Sprintf("journal full: %d jobs remembered, %d of them this operator's", len(b.jobs), b.issued[j.issuer])
	case len(b.queue)+len(b.held) >= b.limits.Queue+b.limits.Workers-b.running:
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait", b.running, len(b.queue)+len(b.held))
	}
	if n := b.waiting(j.issuer); n >= b.share(j.issuer, b.limits.Queue)+b.limits.Workers-b.running {
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait, %d of them this operator's", b.running, len(b.queue)+len(b.held), n)
	}
	return "", ""
}

// share is how much of a room of n one issuer may take: three quarters, so that
// no one of them can lock the others out. Who does not sign is nobody in
// particular, and has all of it.
func (b *journal) share(issuer string, n int) int {
	if issuer == "" {
		return n
	}
	return n - n/4
}

// room reports whether an order about a job that is not known can be remembered.
// Refusals, and jobs of which only a cancel or a status has come, have as much
// room again as jobs that are taken.
func (b *journal) room(r *order, now time.Time) bool {
	b.forget(now)
	n := 2 * b.limits.Jobs
	return b.known(r) != nil || len(b.jobs) < n && b.issued[r.issuer] < b.share(r.issuer, n)
}

// waiting counts an issuer's jobs that wait.
func (b *journal) waiting(issuer string) (n int) {
	for _, jobs := range [][]*job{b.queue, b.held} {
		for _, j := range jobs {
			if j.issuer == issuer {
				n++
			}
		}
	}
	return n
}

// beginning is from when on a journal knows what was issued: a job may have run
// before the journal was made, and yet be issued later by an operator's clock.
// Both times are cut to the millisecond.
func beginning(created time.Time, tolerance time.Duration) time.Time {
	return created.Truncate(time.Millisecond).Add(tolerance + time.Millisecond)
}

// A doubt is why a job that is not known may have run all the same.
type doubt int

const (
	certain   doubt = iota // it has not
	forgotten              // here, before this journal can tell
	elsewhere              // on another host that had the name before
)

// doubts says whether a job that is not known, of these times, may have run.
func (b *journal) doubts(r *order, issuedAt, notAfter time.Time) doubt {
	if issuedAt.Before(b.since) || !issuedAt.After(b.made.denied) || !notAfter.After(b.floor) {
		return forgotten
	}
	if _, why := b.takenAfter(r.Leaf.Host, issuedAt); why != "" && r.doubted() {
		return elsewhere
	}
	return certain
}

// unhold lets the held jobs begin: the inbox has been read to its end.
func (b *journal) unhold() {
	b.queue = append(b.queue, b.held...)
	b.held = nil
}

// beginBy is when a waiting job's time is up. It is valid as long as its
// statement says, counted from when it came where the operator's clock is ahead.
func (j *job) beginBy(tolerance time.Duration) time.Time {
	byHere, byOperator := j.acceptedAt.Add(j.notAfter.Sub(j.issuedAt)), j.notAfter.Add(tolerance)
	if byHere.Before(byOperator) {
		return byHere
	}
	return byOperator
}

// expire ends the waiting jobs whose time is up.
func (b *journal) expire(now time.Time) (expired []*job) {
	for _, j := range slices.Concat(b.queue, b.held) {
		if now.After(j.beginBy(b.limits.Tolerance)) {
			b.unqueue(j)
			b.close(j, wire.Ended{Outcome: wire.Expired, Reason: "no worker was free in time"}, now)
			expired = append(expired, j)
		}
	}
	return expired
}

// nextExpiry is when the first waiting job's time is up; zero where none waits.
func (b *journal) nextExpiry() (first time.Time) {
	for _, jobs := range [][]*job{b.queue, b.held} {
		for _, j := range jobs {
			if t := j.beginBy(b.limits.Tolerance); first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

// next is the job that is to begin next, or nil where none waits or no worker is
// free. Call expire first.
func (b *journal) next() *job {
	if b.running >= b.limits.Workers || len(b.queue) == 0 {
		return nil
	}
	return b.queue[0]
}

// begin gives the next job to execute, or nil.
func (b *journal) begin(now time.Time) *job {
	j := b.next()
	if j == nil {
		return nil
	}
	b.queue[0] = nil
	b.queue = b.queue[1:]
	j.phase, j.startedAt, j.signature = running, now, ""
	j.hush(now, launch)
	b.running++
	e := b.entry(j)
	e.BegunAt, e.Run, e.Signature = now.UnixMilli(), nil, ""
	return j
}

// revoke ends a waiting job that is no longer permitted.
func (b *journal) revoke(j *job, refusal string, now time.Time) {
	b.unqueue(j)
	b.close(j, wire.Ended{Outcome: wire.Rejected, Reason: "no longer permitted on this host: " + refusal}, now)
}

// started notes who the command's process is, so that what survives of it can be
// found after a crash.
func (b *journal) started(j *job, id *process.Identity, now time.Time) {
	j.process = id
	j.hush(now, quiet)
	b.entryBy(j, now.Add(processBy)).Process = id
}

// output adds what a running command has printed.
func (b *journal) output(j *job, r outputlog.Ref) { j.kept = append(j.kept, r) }

// end records how a running job ended.
func (b *journal) end(j *job, e wire.Ended, now time.Time) {
	b.running--
	b.close(j, e, now)
}

// close gives the job its one outcome.
func (b *journal) close(j *job, e wire.Ended, now time.Time) {
	e.Job = j.id
	if e.Outcome == wire.Rejected {
		e.Request = j.digest[:]
	}
	e.AcceptedAt = j.acceptedAt.UnixMilli()
	if j.phase == running {
		e.StartedAt = j.startedAt.UnixMilli()
	}
	if e.EndedAt == 0 {
		e.EndedAt = now.UnixMilli()
	}
	j.phase, j.result, j.stop = ended, e, nil
	j.run, j.secret, j.signature, j.process = nil, nil, "", nil
	b.done = append(b.done, j)
	rec := b.entry(j)
	rec.Ended, rec.Kept, rec.Run, rec.Signature, rec.Process = &j.result, j.kept, nil, "", nil
}

// delivered notes that an operator has the result.
func (b *journal) delivered(j *job, now time.Time) {
	if !j.told {
		j.told = true
		b.entryBy(j, now.Add(toldBy)).Told = true
	}
}

// cancel ends a waiting job, or says that a running one is to be stopped
// (stop); a job that has not been seen gets a tombstone, for which there must be
// room, so that it never runs.
func (b *journal) cancel(r *order, now time.Time) (j *job, stop bool) {
	j = b.known(r)
	switch {
	case j == nil:
		j = b.stranger(r, now)
		why := b.doubts(r, j.issuedAt, j.notAfter)
		if why == forgotten {
			return nil, false
		}
		j.uncertain = why == elsewhere
		b.remember(j)
		b.close(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it arrived"}, now)
		if j.uncertain {
			return nil, false // it never runs here, even if it waits in the inbox; of elsewhere nothing is known
		}
	case j.uncertain && r.doubted():
		return nil, false
	case j.phase == waiting:
		b.unqueue(j)
		b.close(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
	case j.phase == running:
		j.canceling = true
		return j, true
	}
	return j, false
}

// stranger is a job of which nothing but a cancel or a status has come.
func (b *journal) stranger(r *order, now time.Time) *job {
	of := r.Statement.Of
	return &job{
		id: r.Leaf.Job, task: r.Statement.Task, host: r.Leaf.Host, acceptedAt: now,
		issuedAt: time.UnixMilli(of.IssuedAt), notAfter: time.UnixMilli(of.NotAfter),
		issuer: r.issuer, anyJob: r.anyJob, agent: b.agent,
	}
}

func (b *journal) unqueue(j *job) {
	same := func(w *job) bool { return w == j }
	b.queue = slices.DeleteFunc(b.queue, same)
	b.held = slices.DeleteFunc(b.held, same)
}

// status finds the job that is asked for. Where it is not known and can no
// longer arrive it is refused for good, so that the answer stays true; where it
// may still arrive, or may have run before this journal began, j is nil and
// state says which.
func (b *journal) status(r *order, now time.Time) (j *job, state string) {
	if j = b.known(r); j != nil && j.uncertain {
		return nil, wire.StateForgotten
	} else if j != nil {
		return j, ""
	}
	of := r.Statement.Of
	notAfter := time.UnixMilli(of.NotAfter)
	switch {
	case b.doubts(r, time.UnixMilli(of.IssuedAt), notAfter) != certain:
		return nil, wire.StateForgotten
	case !now.After(notAfter):
		return nil, wire.StateUnknown
	}
	j = b.stranger(r, now)
	b.remember(j)
	b.close(j, wire.Ended{Outcome: wire.Expired, Reason: "it did not arrive in time"}, now)
	return j, ""
}

// drain refuses what waits: the agent is about to leave.
func (b *journal) drain(now time.Time) []*job {
	left := append(b.queue, b.held...)
	b.queue, b.held = nil, nil
	for _, j := range left {
		b.close(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was stopped before it began"}, now)
	}
	return left
}

// forget drops what is older than the retention and can no longer be replayed.
// What still could be is put aside, so that it holds up nothing else.
func (b *journal) forget(now time.Time) {
	n := 0
	for _, j := range b.done {
		if now.Before(j.endedAt().Add(b.limits.Retention)) {
			break
		}
		b.drop(j, now)
		n++
	}
	b.done = b.done[n:]
	if len(b.lasting) > 0 && now.After(b.lastingUntil) {
		again := b.lasting
		b.lasting = nil
		for _, j := range again {
			b.drop(j, now)
		}
	}
}

// endedAt is from when on a result is kept.
func (j *job) endedAt() time.Time {
	if !j.keptFrom.IsZero() {
		return j.keptFrom
	}
	return time.UnixMilli(j.result.EndedAt)
}

// drop forgets a job that has ended, if it can no longer be replayed.
func (b *journal) drop(j *job, now time.Time) {
	if until := j.notAfter.Add(b.limits.Tolerance); !now.After(until) {
		if len(b.lasting) == 0 || until.Before(b.lastingUntil) {
			b.lastingUntil = until
		}
		b.lasting = append(b.lasting, j)
		return
	}
	delete(b.jobs, j.key())
	if b.issued[j.issuer]--; b.issued[j.issuer] == 0 {
		delete(b.issued, j.issuer)
	}
	if b.tasks[j.taskOf()] == j {
		delete(b.tasks, j.taskOf())
	}
	b.floor = later(b.floor, j.notAfter)
}

func sortByAcceptance(jobs []*job) {
	slices.SortFunc(jobs, func(a, b *job) int { return a.acceptedAt.Compare(b.acceptedAt) })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// hush gives a job that its operator has heard nothing of yet so much time, from
// now, to end before he does.
func (j *job) hush(now time.Time, d time.Duration) {
	if now.Before(j.quietUntil) {
		j.quietUntil = now.Add(d)
	}
}

// nextQuiet is when the first job that has not ended stops being quiet; zero
// where there is none.
func (b *journal) nextQuiet() (first time.Time) {
	b.quiet = slices.DeleteFunc(b.quiet, func(j *job) bool { return j.phase == ended })
	for _, j := range b.quiet {
		if first.IsZero() || j.quietUntil.Before(first) {
			first = j.quietUntil
		}
	}
	return first
}

// loud takes the jobs whose quiet time is over: their operator hears of them.
func (b *journal) loud(now time.Time) (over []*job) {
	b.quiet = slices.DeleteFunc(b.quiet, func(j *job) bool {
		if now.Before(j.quietUntil) {
			return false
		}
		if j.phase != ended {
			over = append(over, j)
		}
		return true
	})
	return over
}

// firstSegment is the first segment of output that some job still needs.
func (b *journal) firstSegment() int64 {
	first := int64(1) << 62
	for _, j := range b.jobs {
		for _, r := range j.kept {
			if r.Segment > 0 {
				first = min(first, r.Segment)
			}
		}
	}
	return first
}

// lastSegment is the last segment of output that some job refers to; 0 for none.
func (b *journal) lastSegment() (last int64) {
	for _, j := range b.jobs {
		for _, r := range j.kept {
			last = max(last, r.Segment)
		}
	}
	return last
}
