package jobtable

import (
	"fmt"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

const (
	// ProcessDelay is how soon it is written who a command's process is, once that is
	// known (process.Run). What has ended by then needs no such entry; what survives an
	// agent that is killed before is found by its environment on Linux; elsewhere, or if
	// it has cleared that, it may live, and the reason says so.
	ProcessDelay = 10 * time.Millisecond

	// DeliveredDelay is how soon it is written that an operator has a result. An agent
	// that is killed before tells it once more.
	DeliveredDelay = 10 * time.Second
)

// Table is what the agent knows of jobs: pure state, owned by the agent loop,
// with no goroutine, channel, clock or file in it. It decides what becomes of a
// request and sees to it that no job runs twice and none ends twice. What must
// survive the process it collects as changes, which the loop writes.
type Table struct {
	limits Options
	index
	horizon
	waitQueue
	changes
	Running int
}

// Options are those of newJournal.
type Options struct {
	Agent string // this agent's id

	Workers     int           // commands that run at the same time
	Queue       int           // accepted jobs that wait for a worker
	Jobs        int           // jobs remembered
	Retention   time.Duration // how long a result is kept
	Tolerance   time.Duration // between the operator's clock and this one
	MaxValidity time.Duration // of a statement; zero: not known

	// Since is from when on the table knows all jobs that were issued. Start derives it
	// from the age of the journal's file.
	Since time.Time
}

// New returns an empty table.
func New(o Options) *Table {
	return &Table{limits: o, index: newIndex(o), horizon: horizon{agent: o.Agent, tolerance: o.Tolerance, maxValidity: o.MaxValidity, Since: o.Since}}
}

// An acceptance is what accept has done with a run.
type acceptance int

const (
	Added        acceptance = iota // the job is new: it waits, or it ended at once with a refusal
	alreadyKnown                   // the job was known
	MayHaveRun                     // nil: it is not known, and may have run all the same
	NoRoom                         // nil: not even a refusal can be remembered
)

// Accept takes a verified run. A refusal that is not empty is the policy's. A held job does
// not begin before unhold.
func (b *Table) Accept(r *VerifiedRequest, refusal string, held bool, now time.Time) (*Job, acceptance) {
	if j := b.Find(r); j != nil && j.uncertain && r.mayHaveReachedOthers() {
		return nil, MayHaveRun
	} else if j != nil {
		j.uncertain = false // it has waited in the inbox, so that no other host has run it
		return j, alreadyKnown
	}
	j := &Job{
		ID: r.Leaf.Job, Task: r.Statement.Task, Host: r.Leaf.Host,
		issuedAt: time.UnixMilli(r.Statement.IssuedAt), notAfter: time.UnixMilli(r.Statement.NotAfter),
		Run: r.Run, Secret: r.Secret, Signature: r.Signature, Agent: b.agent, digest: r.Digest, Issuer: r.Issuer,
		AcceptedAt: now, ReplyTo: r.Statement.ReplyTo,
	}
	if b.doubtAbout(r, j.issuedAt, j.notAfter) != noDoubt {
		b.deny(r.Leaf.Host, j.issuedAt)
		return nil, MayHaveRun
	}
	if !b.HasRoom(r, now) {
		return nil, NoRoom
	}
	if outcome, reason := b.refusal(j, refusal, now); outcome != "" {
		b.remember(j)
		b.finish(j, wire.Ended{Outcome: outcome, Reason: reason}, now)
		return j, Added
	}
	b.remember(j)
	e := b.entry(j)
	e.Run, e.Signature, e.WaitForInbox = j.Run, j.Signature, held
	j.waitsForInbox = held
	b.add(j, held)
	return j, Added
}

func (b *Table) refusal(j *Job, refusal string, now time.Time) (wire.Outcome, string) {
	n := b.numWaiting()
	switch first := b.tasks[j.taskKey()]; {
	case refusal != "":
		return wire.Rejected, refusal
	case first != nil:
		return wire.Rejected, "duplicate of " + first.ID
	case j.issuedAt.After(now.Add(b.limits.Tolerance)):
		return wire.Rejected, fmt.Sprintf("issued %s in the future by this host's clock", j.issuedAt.Sub(now).Round(time.Second))
	case now.After(j.notAfter.Add(b.limits.Tolerance)):
		return wire.Expired, fmt.Sprintf("arrived %s after its time was up", now.Sub(j.notAfter).Round(time.Millisecond))
	case len(b.jobs) >= b.limits.Jobs:
		return wire.Rejected, fmt.Sprintf("journal full: %d jobs remembered", len(b.jobs))
	case b.issued[j.Issuer] >= issuerShare(j.Issuer, b.limits.Jobs):
		return wire.Rejected, fmt.Sprintf("journal full: %d jobs remembered, %d of them this operator's", len(b.jobs), b.issued[j.Issuer])
	case n >= b.limits.Queue+b.limits.Workers-b.Running:
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait", b.Running, n)
	}
	if own := b.numWaitingOf(j.Issuer); own >= issuerShare(j.Issuer, b.limits.Queue)+b.limits.Workers-b.Running {
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait, %d of them this operator's", b.Running, n, own)
	}
	return "", ""
}

// HasRoom reports whether a request about a job that is not known can be remembered.
func (b *Table) HasRoom(r *VerifiedRequest, now time.Time) bool {
	b.forget(now)
	return b.index.hasRoom(r)
}

// forget drops jobs whose results have been kept long enough and whose requests could
// no longer be taken.
func (b *Table) forget(now time.Time) { b.floor = later(b.floor, b.index.forget(now)) }

// Expire ends the waiting jobs whose time is up.
func (b *Table) Expire(now time.Time) (expired []*Job) {
	for _, j := range b.allWaiting() {
		if now.After(j.startBy(b.limits.Tolerance)) {
			b.remove(j)
			b.finish(j, wire.Ended{Outcome: wire.Expired, Reason: "no worker was free in time"}, now)
			expired = append(expired, j)
		}
	}
	return expired
}

// Next is the job that is to begin next, or nil where none waits or no worker is
// free. Call expire first.
func (b *Table) Next() *Job {
	if b.Running >= b.limits.Workers || len(b.queue) == 0 {
		return nil
	}
	return b.queue[0]
}

// Begin takes the next job from the queue, to execute run. It starts once the journal has
// it as begun: the next commit names it.
func (b *Table) Begin(j *Job, run *wire.Run, now time.Time) {
	b.remove(j)
	j.Phase, j.Run, j.StartedAt, j.Signature = Running, run, now, ""
	b.Running++
	e := b.entry(j)
	e.BegunAt, e.Run, e.Signature = now.UnixMilli(), nil, ""
}

// Revoke ends a waiting job that is no longer permitted.
func (b *Table) Revoke(j *Job, refusal string, now time.Time) {
	b.remove(j)
	b.finish(j, wire.Ended{Outcome: wire.Rejected, Reason: "no longer permitted on this host: " + refusal}, now)
}

// ProcessStarted notes who the command's process is, so that what survives of it can be
// found after a crash.
func (b *Table) ProcessStarted(j *Job, id *process.Identity, now time.Time) {
	j.Process = id
	b.entryBy(j, now.Add(ProcessDelay)).Process = id
}

// AddOutput adds what a running command has printed.
func (b *Table) AddOutput(j *Job, r outputlog.Ref) { j.Output = append(j.Output, r) }

// End records how a running job ended.
func (b *Table) End(j *Job, e wire.Ended, now time.Time) {
	b.Running--
	b.finish(j, e, now)
}

// FailBeforeStart ends a job that was to start and did not.
func (b *Table) FailBeforeStart(j *Job, e wire.Ended, now time.Time) {
	b.End(j, e, now)
	j.Result.StartedAt = 0
}

// finish gives the job its one outcome.
func (b *Table) finish(j *Job, e wire.Ended, now time.Time) {
	e.Job = j.ID
	if e.Outcome == wire.Rejected {
		e.Request = j.digest[:]
	}
	e.AcceptedAt = j.AcceptedAt.UnixMilli()
	if j.Phase == Running {
		e.StartedAt = j.StartedAt.UnixMilli()
	}
	if e.EndedAt == 0 {
		e.EndedAt = now.UnixMilli()
	}
	j.Phase, j.Result = Ended, e
	j.Run, j.Secret, j.Signature, j.Process = nil, nil, "", nil
	b.done = append(b.done, j)
	rec := b.entry(j)
	rec.Ended, rec.Kept, rec.Run, rec.Signature, rec.Process = &j.Result, j.Output, nil, "", nil
}

// Delivered notes that an operator has the result.
func (b *Table) Delivered(j *Job, now time.Time) {
	if !j.Delivered {
		j.Delivered = true
		b.entryBy(j, now.Add(DeliveredDelay)).Delivered = true
	}
}

// Cancel ends a waiting job, or says that a running one is to be stopped
// (stop); a job that has not been seen gets a tombstone, for which there must be
// room, so that it never runs.
func (b *Table) Cancel(r *VerifiedRequest, now time.Time) (j *Job, stop bool) {
	j = b.Find(r)
	switch {
	case j == nil:
		j = b.newPlaceholder(r, now)
		why := b.doubtAbout(r, j.issuedAt, j.notAfter)
		if why == beforeTable {
			return nil, false
		}
		j.uncertain = why == onOtherHost
		b.remember(j)
		b.finish(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it arrived"}, now)
		if j.uncertain {
			return nil, false // it never runs here, even if it waits in the inbox; of elsewhere nothing is known
		}
	case j.uncertain && r.mayHaveReachedOthers():
		return nil, false
	case j.Phase == Waiting:
		b.remove(j)
		b.finish(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
	case j.Phase == Running:
		j.Canceling = true
		return j, true
	}
	return j, false
}

// Status finds the job that is asked for. Where it is not known and can no
// longer arrive it is refused for good, so that the answer stays true; where it
// may still arrive, or may have run before this journal began, j is nil and
// state says which.
func (b *Table) Status(r *VerifiedRequest, now time.Time) (j *Job, state string) {
	if j = b.Find(r); j != nil && j.uncertain {
		return nil, wire.StateForgotten
	} else if j != nil {
		return j, ""
	}
	of := r.Statement.Of
	notAfter := time.UnixMilli(of.NotAfter)
	switch {
	case b.doubtAbout(r, time.UnixMilli(of.IssuedAt), notAfter) != noDoubt:
		return nil, wire.StateForgotten
	case !now.After(notAfter):
		return nil, wire.StateUnknown
	}
	j = b.newPlaceholder(r, now)
	b.remember(j)
	b.finish(j, wire.Ended{Outcome: wire.Expired, Reason: "it did not arrive in time"}, now)
	return j, ""
}
