package model

import (
	"slices"
	"time"
)

// A Rollout is the plan by which a task is sent in stages, and how far it has
// come. Only the process that drives the task changes it.
type Rollout struct {
	Stages        []int         `json:"stages"`         // hosts released once a stage has begun: ascending, the last is all
	MaxFailures   int           `json:"max_failures"`   // with more failed jobs than this it stops
	OnFailure     OnFailure     `json:"on_failure"`     // what happens then
	Soak          time.Duration `json:"soak"`           // from a stage's end to the verify command or the next stage, in nanoseconds
	Verify        string        `json:"verify"`         // command that checks the hosts of a stage after the soak; "" is none
	VerifyTimeout time.Duration `json:"verify_timeout"` // of that command
	Events        []Event       `json:"events"`         // what has happened, in order
}

// OnFailure is what happens to a rollout after too many failures.
type OnFailure string

// The values of OnFailure. The zero value is OnFailureStop.
const (
	OnFailureStop  OnFailure = "stop"
	OnFailurePause OnFailure = "pause"
)

// StageHosts returns the hosts of a stage, counted from 1.
func (r *Rollout) StageHosts(stage int, hosts []string) []string {
	first, last := r.StageBounds(stage)
	return hosts[first:last]
}

// StageBounds returns the first host of a stage, counted from 1, and the first host after it.
func (r *Rollout) StageBounds(stage int) (first, end int) {
	if stage > 1 {
		first = r.Stages[stage-2]
	}
	return first, r.Stages[stage-1]
}

// An Event is a step of a Rollout.
type Event struct {
	At           time.Time `json:"at"`
	Kind         string    `json:"event"`
	Stage        int       `json:"stage"`                   // from 1
	Hosts        int       `json:"hosts"`                   // of the stage; with Stopped, Paused and Resumed those never sent; with Verifying and Verified those verified
	Failed       int       `json:"failed"`                  // hosts so far whose job ended otherwise than with exit code 0, or whose verify command did
	Reason       string    `json:"reason"`                  // of a stop or a pause
	Begun        int       `json:"begun,omitempty"`         // with Paused: jobs that may have been sent, from the first
	Task         string    `json:"task,omitempty"`          // with Verifying and Verified: the task of the verify command
	VerifyFailed int       `json:"verify_failed,omitempty"` // with Verified: hosts whose verify command failed
}

// With is the rollout after another event.
func (r *Rollout) With(e Event) *Rollout {
	next := *r // other goroutines hold the old one
	next.Events = append(slices.Clone(r.Events), e)
	return &next
}

// The kinds of an Event.
const (
	StageBegun     = "begun"     // its hosts may be sent their jobs from now on
	StageEnded     = "ended"     // each of its jobs has an outcome; without a verify command, the last stage's end is the task's
	StageVerifying = "verifying" // the verify command may be sent to its hosts from now on
	StageVerified  = "verified"  // each job of the verify command has an outcome
	Paused         = "paused"    // no process sends anything to further hosts until Resumed
	Resumed        = "resumed"
	Stopped        = "stopped"
)

// Released is how many of the task's hosts, from the first, may have been sent
// their jobs. The others certainly have not.
func (r *Rollout) Released() int {
	if e := r.last(); e != nil && e.Kind == Paused {
		return e.Begun
	}
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

// Find returns the last event of a kind for a stage; nil is none.
func (r *Rollout) Find(kind string, stage int) *Event {
	for i := len(r.Events) - 1; i >= 0; i-- {
		if e := &r.Events[i]; e.Kind == kind && e.Stage == stage {
			return e
		}
	}
	return nil
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

// Pause returns the event by which it is paused; nil where it is not.
func (r *Rollout) Pause() *Event {
	if r == nil {
		return nil
	}
	if e := r.last(); e != nil && e.Kind == Paused {
		return e
	}
	return nil
}

func (r *Rollout) last() *Event {
	if len(r.Events) == 0 {
		return nil
	}
	return &r.Events[len(r.Events)-1]
}

// Forgiven is how many failures no longer count, because an operator has resumed the rollout
// since.
func (r *Rollout) Forgiven() int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == Resumed {
			n = e.Failed
		}
	}
	return n
}

// VerifyFailed is how many hosts have failed their verify command.
func (r *Rollout) VerifyFailed() int {
	if r == nil {
		return 0
	}
	n := 0
	for _, e := range r.Events {
		n += e.VerifyFailed
	}
	return n
}

// Verified reports whether the last stage is verified, if there is a verify command. A rollout
// that was stopped may never be.
func (r *Rollout) Verified() bool {
	return r == nil || r.Verify == "" || r.Find(StageVerified, len(r.Stages)) != nil
}

// Unverified reports whether the verify command of the last stage is still to come.
func (r *Rollout) Unverified() bool { return !r.Verified() && r.StopReason() == "" }

// Open reports whether stages of a task with so many hosts, or its verify command, are still
// to come. A paused rollout is open.
func (r *Rollout) Open(hosts int) bool {
	return r != nil && r.StopReason() == "" && (r.Released() < hosts || r.Unverified())
}

// VerifyTask is the id of the verify command's task that has not ended yet, as far as the
// rollout knows; "" is none.
func (r *Rollout) VerifyTask() string {
	id := ""
	for _, e := range r.Events {
		switch e.Kind {
		case StageVerifying:
			id = e.Task
		case StageVerified:
			id = ""
		}
	}
	return id
}
