package executor

import (
	"context"
	"time"

	"warren/executor/decisionlog"
	"warren/executor/jobtable"
	"warren/executor/stats"
	"warren/internal/agent/trust"
	"warren/internal/wire"
)

// recheckInterval is the shortest time between two attempts of a status to write to a disk that
// has refused output: many status requests a second must not cause as many writes.
const recheckInterval = 10 * time.Second

// A Status describes an agent at one time.
type Status struct {
	At, Started time.Time
	Stopping    bool

	Names []string // held at the broker now; nil without a session

	Running, Waiting int // jobs
	HeldBack         int // jobs that wait until the inbox was read to its end
	Remembered       int // jobs
	Workers, Queue   int // limits

	JournalSize    int64
	JournalErr     error     // of the last write
	TakesJobsSince time.Time // jobs for the id that were issued earlier may have run, and are refused
	OutputSize     int64
	Disk           wire.Disk // DiskOK: it takes data

	RefusedFiles []wire.RefusedFile
	Stats        stats.Stats
}

// Status asks the agent's loop for its status. The loop answers from its start, when it has the
// journal, until its end, so an answer also proves that the loop is not stuck. Status returns
// ctx's error if no answer comes in time.
func (a *Agent) Status(ctx context.Context) (*Status, error) {
	answer := make(chan *Status, 1)
	select {
	case a.questions <- answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case s := <-answer:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Names returns the configured names, the id first.
func (a *Agent) Names() []string { return a.names }

func (l *loop) snapshot(now time.Time) *Status {
	s := &Status{
		At: now, Started: l.facts.started, Stopping: l.shutdown.state != serving,
		Running: l.table.Running(), Waiting: l.table.Queued(), HeldBack: l.table.HeldBack(), Remembered: l.table.Size(),
		Workers: l.cfg.Limits.Workers, Queue: l.cfg.Limits.Queue,
		JournalSize: l.journal.size, JournalErr: l.journal.err, TakesJobsSince: l.table.TakesJobsSince(l.cfg.ID),
		OutputSize: l.output.Size(), Disk: l.output.diskAt(l.journal.err, now), Stats: l.stats.Clone(),
	}
	if l.names.over != nil {
		s.Names = l.names.names
	}
	if l.cfg.Trust != nil {
		s.RefusedFiles = l.cfg.Trust.Refused()
	}
	return s
}

// reasonOf returns why the authorization of a request has failed.
func reasonOf(v *trust.Decision) stats.Reason {
	switch {
	case v.Request == nil:
		return stats.Malformed
	case v.OtherFleet:
		return stats.OtherFleet
	case !v.Verified:
		return stats.Unauthenticated
	case v.OutsideValidity:
		return stats.OutsideValidity
	default:
		return stats.NotPermitted
	}
}

// refused describes a refused request. Without a verified signature it names no operator.
func refused(v *trust.Decision, why stats.Reason, detail string, now time.Time) stats.Refusal {
	r := stats.Refusal{At: now, Reason: why, Detail: decisionlog.Brief(detail)}
	if q := v.Request; q != nil {
		r.Type, r.Task, r.Job = q.Statement.Type, q.Statement.Task, q.Leaf.Job
	}
	if v.Verified {
		r.Operator, r.Fingerprint = v.Issuer.Operator, v.Issuer.Fingerprint
	}
	return r
}

// countRefusedJob counts a run that was added to the table and refused: because its
// authorization failed, with why as the reason, or by the table.
func countRefusedJob(s *stats.Stats, v *trust.Decision, j *jobtable.Job, why stats.Reason, now time.Time) {
	switch {
	case j.Refusal != "":
		s.CountRefusal(refused(v, j.Refusal, j.Result.Reason, now))
	case v.Refusal != "":
		s.CountRefusal(refused(v, why, v.Refusal, now))
	}
}

// revoked describes a job whose operator lost the right to run it while it waited.
func revoked(j *jobtable.Job, refusal string, now time.Time) stats.Refusal {
	return stats.Refusal{
		At: now, Reason: stats.NoLongerAllowed, Type: wire.TypeRun, Task: j.Task, Job: j.ID,
		Fingerprint: j.Issuer, Detail: decisionlog.Brief(refusal),
	}
}

// unknowable describes a request about a job that may have run.
func unknowable(r *wire.Request, detail string, now time.Time) stats.Refusal {
	return stats.Refusal{
		At: now, Reason: stats.MayHaveRun, Type: r.Statement.Type, Task: r.Statement.Task, Job: r.Leaf.Job,
		Detail: detail,
	}
}
