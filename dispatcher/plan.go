package dispatcher

import (
	"fmt"
	"time"

	"warren/internal/operator/model"
)

// A plan decides which job of a task begins when. It is pure, and the task goroutine owns
// it. A task without stages is one stage that has begun.
type plan struct {
	stages      []int // jobs begun by the end of each stage: ascending, the last is all
	window      int   // largest number of jobs in flight
	maxFailures int   // failures that do not stop it; -1: no limit
	soak        time.Duration

	stage   int // the last begun; 0 before the first
	soaking bool
	soakEnd time.Time // while soaking: when the next stage begins
	stopped bool

	begun, ended, failed int
}

func newPlan(jobs int, fanout int, r *model.Rollout) plan {
	p := plan{stages: []int{jobs}, window: jobs, maxFailures: -1, stage: 1}
	if fanout > 0 {
		p.window = min(jobs, fanout)
	}
	if r != nil {
		p.stages, p.maxFailures, p.soak, p.stage = r.Stages, r.MaxFailures, r.Soak, 0
	}
	return p
}

// An action is what the task goroutine does next.
type action int

const (
	await      action = iota // wait for an event, or as long as decide says
	beginJob                 // the next
	beginStage               // the next
	endStage                 // except the last, which ends with the task
	stop                     // too many jobs have failed
	finish
)

// decide returns what to do at now, and how long that holds.
func (p *plan) decide(now time.Time) (action, time.Duration) {
	switch all := p.begun == p.released(); {
	case p.ended == p.begun && (p.stopped || p.begun == p.total()):
		return finish, 0
	case p.stopped:
		return await, time.Hour
	case p.maxFailures >= 0 && p.failed > p.maxFailures && p.begun < p.total():
		return stop, 0
	case !all && p.begun-p.ended < p.window:
		return beginJob, 0
	case !all || p.ended < p.begun:
		return await, time.Hour
	case p.stage > 0 && !p.soaking:
		return endStage, 0
	case now.Before(p.soakEnd):
		return await, p.soakEnd.Sub(now)
	}
	return beginStage, 0
}

func (p *plan) total() int { return p.stages[len(p.stages)-1] }

// released is how many jobs may have begun by the end of this stage.
func (p *plan) released() int {
	if p.stage == 0 {
		return 0
	}
	return p.stages[p.stage-1]
}

func (p *plan) stageBegun() { p.stage, p.soaking = p.stage+1, false }

func (p *plan) stageEnded(now time.Time) { p.soaking, p.soakEnd = true, now.Add(p.soak) }

func (p *plan) jobEnded(ok bool) {
	p.ended++
	if !ok {
		p.failed++
	}
}

// failuresReason is the reason of a rollout that had too many failures.
func (p *plan) failuresReason() string {
	return fmt.Sprintf("rollout stopped: %d failed, %d allowed", p.failed, p.maxFailures)
}
