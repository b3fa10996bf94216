// Package plan decides when each job of a task begins, and when a rollout stops.
package plan

import (
	"fmt"
	"time"

	"warren/internal/operator/model"
)

// A Plan decides which job of a task begins when. It is pure, and the task goroutine owns
// it. A task without stages is one stage that has begun.
type Plan struct {
	Stages      []int // jobs begun by the end of each stage: ascending, the last is all
	window      int   // largest number of jobs in flight
	maxFailures int   // failures that do not stop it; -1: no limit
	forgiven    int   // failures before the operator resumed it, which do not count
	soak        time.Duration
	verify      bool // each stage is verified

	Stage     int       // the last begun; 0 before the first
	Soaking   bool      // each job of the stage has ended
	soakEnd   time.Time // while soaking: when the stage is verified, or the next begins
	Verifying bool
	verified  bool // this stage
	Stopped   bool // no further job begins

	Begun, Failed int
	ended         int
}

// New returns the plan of a task. With a fanout of 0, the number of jobs in flight has no
// limit. r is nil for a task without stages.
func New(jobs int, fanout int, r *model.Rollout) Plan {
	p := Plan{Stages: []int{jobs}, window: jobs, maxFailures: -1, Stage: 1}
	if fanout > 0 {
		p.window = min(jobs, fanout)
	}
	if r != nil {
		p.Stages, p.maxFailures, p.soak, p.verify, p.Stage = r.Stages, r.MaxFailures, r.Soak, r.Verify != "", 0
	}
	return p
}

// Resume returns the plan of a rollout that another process has begun, or this one before a
// pause. Begun, ended and failed are numbers of its jobs.
func Resume(jobs, fanout int, r *model.Rollout, begun, ended, failed int) Plan {
	p := New(jobs, fanout, r)
	p.Begun, p.ended, p.Failed, p.forgiven = begun, ended, failed+r.VerifyFailed(), r.Forgiven()
	p.Stage = r.Stage()
	if e := r.Find(model.StageEnded, p.Stage); e != nil && p.Stage > 0 {
		p.StageEnded(e.At)
		p.verified = r.Find(model.StageVerified, p.Stage) != nil
	}
	return p
}

// An Action is what the task goroutine does next.
type Action int

const (
	Await      Action = iota // wait for an event, or as long as Decide says
	BeginJob                 // the next
	BeginStage               // the next
	EndStage                 // except the last, which ends with the task
	Verify                   // the hosts of this stage
	Stop                     // too many jobs have failed
	Finish
)

// Decide returns what to do at now, and how long that holds.
func (p *Plan) Decide(now time.Time) (Action, time.Duration) {
	switch all := p.Begun == p.Released(); {
	case p.ended == p.Begun && (p.Stopped || p.Complete()):
		return Finish, 0
	case p.Stopped:
		return Await, time.Hour
	case p.maxFailures >= 0 && p.Failed-p.forgiven > p.maxFailures && p.Begun < p.Total():
		return Stop, 0
	case !all && p.Begun-p.ended < p.window:
		return BeginJob, 0
	case !all || p.ended < p.Begun:
		return Await, time.Hour
	case p.Stage > 0 && !p.Soaking:
		return EndStage, 0
	case now.Before(p.soakEnd):
		return Await, p.soakEnd.Sub(now)
	case p.Verifying:
		return Await, time.Hour
	case p.verify && !p.verified && p.Soaking:
		return Verify, 0
	}
	return BeginStage, 0
}

// Total returns how many jobs the task has.
func (p *Plan) Total() int { return p.Stages[len(p.Stages)-1] }

// Complete reports whether each job has begun, and the last stage is verified.
func (p *Plan) Complete() bool {
	return p.Begun == p.Total() && (!p.verify || p.verified && p.Stage == len(p.Stages))
}

// Verifies reports whether stages are verified.
func (p *Plan) Verifies() bool { return p.verify }

// Released returns how many jobs may have begun by the end of this stage.
func (p *Plan) Released() int {
	if p.Stage == 0 {
		return 0
	}
	return p.Stages[p.Stage-1]
}

// StageBegun notes that the next stage has begun.
func (p *Plan) StageBegun() { p.Stage, p.Soaking, p.verified = p.Stage+1, false, false }

// StageEnded notes that the jobs of this stage have ended; the soak begins.
func (p *Plan) StageEnded(now time.Time) { p.Soaking, p.soakEnd = true, now.Add(p.soak) }

// JobEnded counts a job that has ended.
func (p *Plan) JobEnded(ok bool) {
	p.ended++
	if !ok {
		p.Failed++
	}
}

// StageVerified notes that this stage is verified, and on how many of its hosts the verify
// command has failed.
func (p *Plan) StageVerified(failed int) {
	p.Verifying, p.verified = false, true
	p.Failed += failed
}

// FailuresReason returns the reason of a rollout that had too many failures.
func (p *Plan) FailuresReason() string {
	return fmt.Sprintf("%d failed, %d allowed", p.Failed-p.forgiven, p.maxFailures)
}

// Check returns an error unless the stages ascend to the number of hosts.
func Check(r *model.Rollout, hosts int) error {
	if r == nil {
		return nil
	}
	last := 0
	for _, n := range r.Stages {
		if n <= last {
			return fmt.Errorf("the stages of a rollout do not ascend: %v", r.Stages)
		}
		last = n
	}
	if last != hosts {
		return fmt.Errorf("the stages %v do not end with all %d hosts", r.Stages, hosts)
	}
	return nil
}
