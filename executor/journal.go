package executor

import (
	"fmt"
	"time"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

const (
	// processDelay is how soon it is written who a command's process is, once that is
	// known (process.Run). What has ended by then needs no such entry; what survives an
	// agent that is killed before is found by its environment on Linux; elsewhere, or if
	// it has cleared that, it may live, and the reason says so.
	processDelay = 10 * time.Millisecond

	// toldDelay is how soon it is written that an operator has a result. An agent
	// that is killed before tells it once more.
	toldDelay = 10 * time.Second
)

// journal is what the agent knows of jobs: pure state, owned by the agent loop,
// with no goroutine, channel, clock or file in it. It decides what becomes of a
// request and sees to it that no job runs twice and none ends twice. What must
// survive the process it collects as changes, which the loop writes.
type journal struct {
	limits tableOptions
	index
	horizon
	waitQueue
	changes
	running int
}

// tableOptions are those of newJournal.
type tableOptions struct {
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

// newJournal returns an empty table.
func newJournal(o tableOptions) *journal {
	return &journal{limits: o, index: newIndex(o), horizon: horizon{agent: o.Agent, tolerance: o.Tolerance, maxValidity: o.MaxValidity, since: o.Since}}
}

// An acceptance is what accept has done with a run.
type acceptance int

const (
	added        acceptance = iota // the job is new: it waits, or it ended at once with a refusal
	alreadyKnown                   // the job was known
	mayHaveRun                     // nil: it is not known, and may have run all the same
	noRoom                         // nil: not even a refusal can be remembered
)

// accept takes a verified run. A refusal that is not empty is the policy's. A held job does
// not begin before unhold.
func (b *journal) accept(r *order, refusal string, held bool, now time.Time) (*job, acceptance) {
	if j := b.known(r); j != nil && j.uncertain && r.doubted() {
		return nil, mayHaveRun
	} else if j != nil {
		j.uncertain = false // it has waited in the inbox, so that no other host has run it
		return j, alreadyKnown
	}
	j := &job{
		id: r.Leaf.Job, task: r.Statement.Task, host: r.Leaf.Host,
		issuedAt: time.UnixMilli(r.Statement.IssuedAt), notAfter: time.UnixMilli(r.Statement.NotAfter),
		run: r.run, secret: r.Secret, signature: r.Signature, agent: b.agent, digest: r.Digest, issuer: r.issuer,
		acceptedAt: now, replyTo: r.Statement.ReplyTo,
	}
	if b.doubts(r, j.issuedAt, j.notAfter) != certain {
		b.deny(r.Leaf.Host, j.issuedAt)
		return nil, mayHaveRun
	}
	if !b.hasRoom(r, now) {
		return nil, noRoom
	}
	if outcome, reason := b.refuse(j, refusal, now); outcome != "" {
		b.remember(j)
		b.close(j, wire.Ended{Outcome: outcome, Reason: reason}, now)
		return j, added
	}
	b.remember(j)
	e := b.entry(j)
	e.Run, e.Signature, e.Held = j.run, j.signature, held
	j.inbox = held
	b.add(j, held)
	return j, added
}

func (b *journal) refuse(j *job, refusal string, now time.Time) (wire.Outcome, string) {
	n := b.waiting()
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
	case b.issued[j.issuer] >= share(j.issuer, b.limits.Jobs):
		return wire.Rejected, fmt.Sprintf("journal full: %d jobs remembered, %d of them this operator's", len(b.jobs), b.issued[j.issuer])
	case n >= b.limits.Queue+b.limits.Workers-b.running:
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait", b.running, n)
	}
	if own := b.waitingOf(j.issuer); own >= share(j.issuer, b.limits.Queue)+b.limits.Workers-b.running {
		return wire.Rejected, fmt.Sprintf("queue full: %d jobs run and %d wait, %d of them this operator's", b.running, n, own)
	}
	return "", ""
}

// hasRoom reports whether a request about a job that is not known can be remembered.
func (b *journal) hasRoom(r *order, now time.Time) bool {
	b.forget(now)
	return b.index.hasRoom(r)
}

// forget drops jobs whose results have been kept long enough and whose requests could
// no longer be taken.
func (b *journal) forget(now time.Time) { b.floor = later(b.floor, b.index.forget(now)) }

// expire ends the waiting jobs whose time is up.
func (b *journal) expire(now time.Time) (expired []*job) {
	for _, j := range b.allWaiting() {
		if now.After(j.beginBy(b.limits.Tolerance)) {
			b.unqueue(j)
			b.close(j, wire.Ended{Outcome: wire.Expired, Reason: "no worker was free in time"}, now)
			expired = append(expired, j)
		}
	}
	return expired
}

// next is the job that is to begin next, or nil where none waits or no worker is
// free. Call expire first.
func (b *journal) next() *job {
	if b.running >= b.limits.Workers || len(b.queue) == 0 {
		return nil
	}
	return b.queue[0]
}

// begin takes the next job from the queue, to execute run. It starts once the journal has
// it as begun: the next commit names it.
func (b *journal) begin(j *job, run *wire.Run, now time.Time) {
	b.unqueue(j)
	j.phase, j.run, j.startedAt, j.signature = running, run, now, ""
	b.running++
	e := b.entry(j)
	e.BegunAt, e.Run, e.Signature = now.UnixMilli(), nil, ""
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
	b.entryBy(j, now.Add(processDelay)).Process = id
}

// output adds what a running command has printed.
func (b *journal) output(j *job, r outputlog.Ref) { j.kept = append(j.kept, r) }

// end records how a running job ended.
func (b *journal) end(j *job, e wire.Ended, now time.Time) {
	b.running--
	b.close(j, e, now)
}

// failBeforeStart ends a job that was to start and did not.
func (b *journal) failBeforeStart(j *job, e wire.Ended, now time.Time) {
	b.end(j, e, now)
	j.result.StartedAt = 0
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
	j.phase, j.result = ended, e
	j.run, j.secret, j.signature, j.process = nil, nil, "", nil
	b.done = append(b.done, j)
	rec := b.entry(j)
	rec.Ended, rec.Kept, rec.Run, rec.Signature, rec.Process = &j.result, j.kept, nil, "", nil
}

// delivered notes that an operator has the result.
func (b *journal) delivered(j *job, now time.Time) {
	if !j.told {
		j.told = true
		b.entryBy(j, now.Add(toldDelay)).Told = true
	}
}

// cancel ends a waiting job, or says that a running one is to be stopped
// (stop); a job that has not been seen gets a tombstone, for which there must be
// room, so that it never runs.
func (b *journal) cancel(r *order, now time.Time) (j *job, stop bool) {
	j = b.known(r)
	switch {
	case j == nil:
		j = b.placeholder(r, now)
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
	j = b.placeholder(r, now)
	b.remember(j)
	b.close(j, wire.Ended{Outcome: wire.Expired, Reason: "it did not arrive in time"}, now)
	return j, ""
}
