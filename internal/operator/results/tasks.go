package results

import (
	"fmt"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
	"warren/internal/operator/results/sqlite"
)

func (a *actor) addTask(t model.Task, jobs []model.Job) ([]<-chan Progress, error) {
	if _, ok := sqlite.ParseID(t.ID); !ok {
		return nil, fmt.Errorf("task id %q is not a UUID", t.ID)
	}
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		var ok bool
		if ids[i], ok = sqlite.ParseID(j.ID); !ok {
			return nil, fmt.Errorf("job id %q is not a UUID", j.ID)
		}
	}
	var version, row, first int64
	err := a.db.DoSynced(func(tx *sqlite.Tx) (err error) { // its requests leave now
		if version, err = tx.DataVersion(); err == nil {
			row, first, err = tx.AddTask(&t, jobs, ids)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]<-chan Progress, len(jobs))
	for i, id := range ids {
		out[i] = a.live.add(id, false).ch
		r := merge.NewRecord(first+int64(i), row, &t, &jobs[i])
		a.live[id].note(&r, version)
	}
	return out, nil
}

// following is what Follow hands out.
type following struct {
	channels  map[string]<-chan Progress
	listeners []*listener
}

func (a *actor) follow(task string) (*following, error) {
	row, _, err := a.db.TaskRow(task)
	if err != nil {
		return nil, err
	}
	ids, err := a.db.PendingJobs(row)
	if err != nil {
		return nil, err
	}
	f := &following{channels: make(map[string]<-chan Progress, len(ids)), listeners: make([]*listener, len(ids))}
	for i, id := range ids {
		f.listeners[i] = a.live.add(id, true)
		f.channels[id.String()] = f.listeners[i].ch
	}
	return f, nil
}

func (a *actor) setControl(task string, c model.Control) error {
	row, _, err := a.db.TaskRow(task)
	if err != nil {
		return err
	}
	return a.db.SetControl(row, c)
}

// claim is atomic: it reads nothing before it writes.
func (a *actor) claim(t model.Task, driver string, r *model.Rollout) (bool, error) {
	if r == nil {
		return a.db.Claim(t.ID, t.Driver, driver)
	}
	taken, err := a.db.ClaimRollout(t.ID, t.Driver, driver, len(t.Rollout.Events), r)
	if watched := a.watched[t.ID]; watched != nil && taken {
		a.refresh(watched)
	}
	return taken, err
}

func (a *actor) setRollout(task string, r model.Rollout) error {
	row, _, err := a.db.TaskRow(task)
	if err != nil {
		return err
	}
	if err := a.db.SetRollout(row, &r); err != nil {
		return err
	}
	if t := a.watched[task]; t != nil {
		a.refresh(t)
	}
	return nil
}
