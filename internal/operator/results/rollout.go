package results

import (
	"context"
	"encoding/json"

	"warren/internal/operator/model"
)

// SetRollout records how far a task's rollout has come, and syncs it: the process
// that takes the task over after a loss of power must not believe that a host was
// never released that was.
func (s *Store) SetRollout(ctx context.Context, task string, r model.Rollout) error {
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) { return struct{}{}, a.setRollout(task, r) })
	return err
}

func (a *actor) setRollout(task string, r model.Rollout) error {
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
func (t *txer) setRollout(row int64, r *model.Rollout) (err error) {
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
func rolloutText(r *model.Rollout) string {
	if r == nil {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers, times and texts
	}
	return string(text)
}

func parseRollout(text string) (*model.Rollout, error) {
	if text == "" {
		return nil, nil
	}
	r := new(model.Rollout)
	return r, json.Unmarshal([]byte(text), r)
}
