package results

import (
	"context"
	"encoding/json"
	"time"
)

// A Rollout is the plan by which a task is sent in stages, and how far that has
// come. The process that drives the task alone changes it.
type Rollout struct {
	Stages      []int         `json:"stages"`       // how many hosts have been told when a stage has begun: ascending, the last is all
	MaxFailures int           `json:"max_failures"` // with more failed jobs than this it stops
	Soak        time.Duration `json:"soak"`         // from a stage's end to the next one's beginning, in nanoseconds
	Moves       []Move        `json:"moves"`        // what has happened, in order
}

// A Move is a step of a Rollout.
type Move struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Stage  int       `json:"stage"`  // from 1
	Hosts  int       `json:"hosts"`  // that the stage, or what was stopped, is about
	Failed int       `json:"failed"` // jobs so far that ended otherwise than with exit code 0
	Reason string    `json:"reason"` // of a stop
}

// The events of a Rollout.
const (
	StageBegun = "begun" // its hosts may be told from now on
	StageEnded = "ended" // each of its jobs has an outcome; the last stage's end is the task's
	Stopped    = "stopped"
)

// Told is how many of the task's hosts, from the first, may have been told. The
// rest has certainly not.
func (r *Rollout) Told() int {
	if s := r.Stage(); s > 0 {
		return r.Stages[s-1]
	}
	return 0
}

// Stage is the stage that has begun last; 0 is none.
func (r *Rollout) Stage() int {
	stage := 0
	for _, m := range r.Moves {
		if m.Event == StageBegun && m.Stage <= len(r.Stages) {
			stage = m.Stage
		}
	}
	return stage
}

// StoppedFor is why it has stopped; "" where it has not.
func (r *Rollout) StoppedFor() string {
	for _, m := range r.Moves {
		if m.Event == Stopped {
			return m.Reason
		}
	}
	return ""
}

// Move records that a task's rollout has come to where it is now, on the disk:
// whoever takes the task up after a loss of power must not believe that hosts
// were never told which have been.
func (s *Store) Move(ctx context.Context, task string, r Rollout) error {
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) { return struct{}{}, a.move(task, r) })
	return err
}

func (a *actor) move(task string, r Rollout) error {
	row, _, err := a.tx.taskRow(task)
	if err != nil {
		return err
	}
	if err := a.tx.setRollout(row, &r); err != nil {
		return err
	}
	for _, t := range a.watched {
		if t.row == row {
			a.refresh(t, t.version)
		}
	}
	return nil
}

// setRollout writes it with the one sync that openWriter spares the others.
func (t *txer) setRollout(row int64, r *Rollout) (err error) {
	if _, err := t.conn.exec("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	defer func() {
		if _, err2 := t.conn.exec("PRAGMA synchronous = NORMAL"); err == nil {
			err = err2
		}
	}()
	_, err = t.updRollout.exec(rolloutText(r), row)
	return err
}

// rolloutText is a Rollout in the database: JSON, or nothing.
func rolloutText(r *Rollout) string {
	if r == nil {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers, times and texts
	}
	return string(text)
}

func parseRollout(text string) (*Rollout, error) {
	if text == "" {
		return nil, nil
	}
	r := new(Rollout)
	return r, json.Unmarshal([]byte(text), r)
}
