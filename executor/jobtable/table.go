package jobtable

import (
	"fmt"
	"slices"
	"time"

	"warren/executor/outputlog"
	"warren/executor/stats"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

const (
	// ProcessDelay is how long the identity of a command's process may stay unwritten.
	// Commands that end earlier need no such record. If the agent is killed within this
	// time, the next one finds the process by its environment on Linux; elsewhere, or if
	// the process has cleared its environment, it may survive, and the reason says so.
	ProcessDelay = 10 * time.Millisecond

	// DeliveredDelay is how long it may stay unwritten that an operator has a result. An
	// agent that is killed within this time sends the result again after its start.
	DeliveredDelay = 10 * time.Second
)

// A Table has the jobs of one agent.
type Table struct {
	limits Options
	index
	horizon
	workQueue
	changes
}

// Options are the options of New.
type Options struct {
	Agent string // this agent's id

	Workers     int           // commands that run at the same time
	Queue       int           // accepted jobs that wait for a worker
	Jobs        int           // jobs remembered
	Retention   time.Duration // how long a result is kept
	Tolerance   time.Duration // between the operator's clock and this one
	MaxValidity time.Duration // of a statement; zero: not known

	// KnownSince is the first issue time whose jobs the table all knows. Start derives it
	// from the creation time of the journal.
	KnownSince time.Time
}

// New returns an empty table.
func New(o Options) *Table {
	return &Table{limits: o, index: newIndex(o), horizon: horizon{
		agent: o.Agent, tolerance: o.Tolerance, maxValidity: o.MaxValidity, since: o.KnownSince,
	}}
}

// An Acceptance is the result of Accept.
type Acceptance int

const (
	Added        Acceptance = iota // the job is new: it waits, or was refused and has ended
	AlreadyKnown                   // the job was in the table
	MayHaveRun                     // the job is not in the table, but may have run; no job is returned
	NoRoom                         // not even a refusal can be remembered; no job is returned
)

// Accept adds the job of a verified run. If refusal is not empty, the job is refused for
// that reason. A held job does not begin before ReleaseHeld.
func (t *Table) Accept(r *VerifiedRequest, refusal string, held bool, now time.Time) (*Job, Acceptance) {
	if j := t.Find(r); j != nil && j.uncertain && r.mayHaveReachedOthers() {
		return nil, MayHaveRun
	} else if j != nil {
		j.uncertain = false // it waited in the inbox, so no other host has run it
		return j, AlreadyKnown
	}
	j := &Job{
		ID: r.Leaf.Job, Task: r.Statement.Task, Host: r.Leaf.Host,
		issuedAt: time.UnixMilli(r.Statement.IssuedAt), notAfter: time.UnixMilli(r.Statement.NotAfter),
		Run: r.Run, Secret: r.Secret, Signature: r.Signature, Agent: t.agent, digest: r.Digest, Issuer: r.Issuer,
		AcceptedAt: now, ReplyTo: r.Statement.ReplyTo,
	}
	if t.doubtAbout(r, j.issuedAt, j.notAfter) != noDoubt {
		t.deny(r.Leaf.Host, j.issuedAt)
		return nil, MayHaveRun
	}
	if !t.HasRoom(r, now) {
		return nil, NoRoom
	}
	if outcome, why, reason := t.refusal(j, refusal, now); outcome != "" {
		j.Refusal = why
		t.remember(j)
		t.finish(j, wire.Ended{Outcome: outcome, Reason: reason}, now)
		return j, Added
	}
	t.remember(j)
	e := t.entry(j)
	e.Run, e.Signature, e.WaitForInbox = j.Run, j.Signature, held
	j.waitsForInbox = held
	t.add(j, held)
	return j, Added
}

// refusal returns why a new job is refused; no outcome if it is taken. why is empty if the
// table itself does not reject the job.
func (t *Table) refusal(j *Job, refusal string, now time.Time) (_ wire.Outcome, why stats.Reason, reason string) {
	n := t.numWaiting()
	switch first := t.tasks[j.taskKey()]; {
	case refusal != "":
		return wire.Rejected, "", refusal
	case first != nil:
		return wire.Rejected, stats.Duplicate, "duplicate of " + first.ID
	case j.issuedAt.After(now.Add(t.limits.Tolerance)):
		return wire.Rejected, stats.IssuedInFuture, fmt.Sprintf("issued %s in the future by this host's clock", j.issuedAt.Sub(now).Round(time.Second))
	case now.After(j.notAfter.Add(t.limits.Tolerance)):
		return wire.Expired, "", fmt.Sprintf("arrived %s after its time was up", now.Sub(j.notAfter).Round(time.Millisecond))
	case len(t.jobs) >= t.limits.Jobs:
		return wire.Rejected, stats.JournalFull, fmt.Sprintf("journal full: %d jobs remembered", len(t.jobs))
	case t.issued[j.Issuer] >= issuerShare(j.Issuer, t.limits.Jobs):
		return wire.Rejected, stats.JournalFull, fmt.Sprintf("journal full: %d jobs remembered, %d of them this operator's", len(t.jobs), t.issued[j.Issuer])
	case n >= t.limits.Queue+t.limits.Workers-t.running:
		return wire.Rejected, stats.QueueFull, fmt.Sprintf("queue full: %d jobs run and %d wait", t.running, n)
	}
	if own := t.numWaitingOf(j.Issuer); own >= issuerShare(j.Issuer, t.limits.Queue)+t.limits.Workers-t.running {
		return wire.Rejected, stats.QueueFull, fmt.Sprintf("queue full: %d jobs run and %d wait, %d of them this operator's", t.running, n, own)
	}
	return "", "", ""
}

// HasRoom reports whether the job of a request is in the table, or can be added.
func (t *Table) HasRoom(r *VerifiedRequest, now time.Time) bool {
	t.forget(now)
	return t.index.hasRoom(r)
}

// forget drops jobs whose results were kept long enough and whose requests can no longer
// be replayed.
func (t *Table) forget(now time.Time) { t.floor = later(t.floor, t.index.forget(now)) }

// Expire ends the waiting jobs whose time is up.
func (t *Table) Expire(now time.Time) (expired []*Job) {
	for _, j := range t.allWaiting() {
		if now.After(j.startBy(t.limits.Tolerance)) {
			t.remove(j)
			t.finish(j, wire.Ended{Outcome: wire.Expired, Reason: "no worker was free in time"}, now)
			expired = append(expired, j)
		}
	}
	return expired
}

// Next returns the job that begins next; nil if none waits or no worker is free. Call
// Expire first.
func (t *Table) Next() *Job {
	if t.running >= t.limits.Workers || len(t.queue) == 0 {
		return nil
	}
	return t.queue[0]
}

// Begin takes a job from the queue. Its command, run, starts once the journal says that it
// has begun: the next commit lists the job in Start. codePage is that of the output.
func (t *Table) Begin(j *Job, run *wire.Run, codePage int, now time.Time) {
	t.remove(j)
	j.Phase, j.Run, j.StartedAt, j.CodePage, j.Signature = Running, run, now, codePage, ""
	t.running++
	e := t.entry(j)
	e.BegunAt, e.CodePage, e.Run, e.Signature = now.UnixMilli(), codePage, nil, ""
}

// Revoke ends a waiting job that is no longer permitted.
func (t *Table) Revoke(j *Job, refusal string, now time.Time) {
	t.remove(j)
	t.finish(j, wire.Ended{Outcome: wire.Rejected, Reason: "no longer permitted on this host: " + refusal}, now)
}

// ProcessStarted notes the identity of the command's process, by which survivors are found
// after a crash of the agent.
func (t *Table) ProcessStarted(j *Job, id *process.Identity, now time.Time) {
	j.Process = id
	t.entryBy(j, now.Add(ProcessDelay)).Process = id
}

// AddOutput adds output of a running command.
func (t *Table) AddOutput(j *Job, r outputlog.Ref) {
	if n := len(j.Output); n == 0 || !follows(j.Output[n-1], r) {
		if j.pieces == maxPieces {
			if !slices.Contains(j.gone, r.Stream) {
				j.gone = append(j.gone, r.Stream)
			}
			return
		}
		j.pieces++
	}
	j.Output = append(j.Output, r)
}

// maxPieces bounds the references to the output of a job, so that they fit into a record of the
// journal: a command that prints a little to both streams in turn has a reference for each piece. What
// comes after them is gone.
const maxPieces = 20_000

// End records how a running job ended.
func (t *Table) End(j *Job, e wire.Ended, now time.Time) {
	t.running--
	t.finish(j, e, now)
}

// FailBeforeStart ends a job that has begun and whose command was never started.
func (t *Table) FailBeforeStart(j *Job, e wire.Ended, now time.Time) {
	t.End(j, e, now)
	j.Result.StartedAt = 0
}

// finish gives the job its one outcome.
func (t *Table) finish(j *Job, e wire.Ended, now time.Time) {
	e.Job = j.ID
	if e.Outcome == wire.Rejected {
		e.Request = j.digest[:]
	}
	for stream, s := range map[string]*wire.Stream{wire.Stdout: e.Stdout, wire.Stderr: e.Stderr} {
		if s != nil && slices.Contains(j.gone, stream) {
			s.Gone = true
		}
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
	t.done = append(t.done, j)
	rec := t.entry(j)
	rec.Ended, rec.Output, rec.Run, rec.Signature, rec.Process = &j.Result, j.Output, nil, "", nil
}

// SetDelivered notes that an operator has the result.
func (t *Table) SetDelivered(j *Job, now time.Time) {
	if !j.Delivered && t.jobs[j.key()] == j { // else it was forgotten meanwhile
		j.Delivered = true
		t.entryBy(j, now.Add(DeliveredDelay)).Delivered = true
	}
}

// Cancel ends a waiting job. For a running job it returns stop: its command must be
// stopped. For an unknown job it adds a placeholder, so that the job never runs; call
// HasRoom first. It returns no job if an unknown one may have run.
func (t *Table) Cancel(r *VerifiedRequest, now time.Time) (j *Job, stop bool) {
	j = t.Find(r)
	switch {
	case j == nil:
		j = newPlaceholder(r, t.agent, now)
		why := t.doubtAbout(r, j.issuedAt, j.notAfter)
		if why == beforeTable {
			return nil, false
		}
		j.uncertain = why == onOtherHost
		t.remember(j)
		t.finish(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it arrived"}, now)
		if j.uncertain {
			return nil, false // it never runs here, not even from the inbox; another host may have run it
		}
	case j.uncertain && r.mayHaveReachedOthers():
		return nil, false
	case j.Phase == Waiting:
		t.remove(j)
		t.finish(j, wire.Ended{Outcome: wire.Canceled, Reason: "canceled before it began"}, now)
	case j.Phase == Running:
		j.Canceling = true
		return j, true
	}
	return j, false
}

// Status finds a job. An unknown job that can no longer arrive is ended as expired, so
// that this answer stays true. For an unknown job that may still arrive, or may have run,
// it returns the state instead.
func (t *Table) Status(r *VerifiedRequest, now time.Time) (j *Job, state string) {
	if j = t.Find(r); j != nil && j.uncertain {
		return nil, wire.StateForgotten
	} else if j != nil {
		return j, ""
	}
	of := r.Statement.Of
	notAfter := time.UnixMilli(of.NotAfter)
	switch {
	case t.doubtAbout(r, time.UnixMilli(of.IssuedAt), notAfter) != noDoubt:
		return nil, wire.StateForgotten
	case !now.After(notAfter):
		return nil, wire.StateUnknown
	}
	j = newPlaceholder(r, t.agent, now)
	t.remember(j)
	t.finish(j, wire.Ended{Outcome: wire.Expired, Reason: "it did not arrive in time"}, now)
	return j, ""
}
