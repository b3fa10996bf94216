package model

import "time"

// A Rollout is the plan by which a task is sent in stages, and how far it has
// come. Only the process that drives the task changes it.
type Rollout struct {
	Stages      []int         `json:"stages"`       // hosts released once a stage has begun: ascending, the last is all
	MaxFailures int           `json:"max_failures"` // with more failed jobs than this it stops
	Soak        time.Duration `json:"soak"`         // from a stage's end to the beginning of the next, in nanoseconds
	Events      []Event       `json:"events"`       // what has happened, in order
}

// StageHosts returns the hosts of a stage, counted from 1.
func (r *Rollout) StageHosts(stage int, hosts []string) []string {
	first := 0
	if stage > 1 {
		first = r.Stages[stage-2]
	}
	return hosts[first:r.Stages[stage-1]]
}

// An Event is a step of a Rollout.
type Event struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"event"`
	Stage  int       `json:"stage"`  // from 1
	Hosts  int       `json:"hosts"`  // of the stage; with Stopped, those never released
	Failed int       `json:"failed"` // jobs so far that ended otherwise than with exit code 0
	Reason string    `json:"reason"` // of a stop
}

// The kinds of an Event.
const (
	StageBegun = "begun" // its hosts may be sent their jobs from now on
	StageEnded = "ended" // each of its jobs has an outcome; the last stage's end is the task's
	Stopped    = "stopped"
)

// Released is how many of the task's hosts, from the first, may have been sent
// their jobs. The others certainly have not.
func (r *Rollout) Released() int {
	if s := r.Stage(); s > 0 {
		return r.Stages[s-1]
	}
	return 0
}

// Stage is the stage that has begun last; 0 is none.
func (r *Rollout) Stage() int {
	stage := 0
	for _, e := range r.Events {
		if e.Kind == StageBegun && e.Stage <= len(r.Stages) {
			stage = e.Stage
		}
	}
	return stage
}

// StopReason is why it has stopped; "" where it has not.
func (r *Rollout) StopReason() string {
	for _, e := range r.Events {
		if e.Kind == Stopped {
			return e.Reason
		}
	}
	return ""
}
