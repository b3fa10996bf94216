package results

import (
	"fmt"

	"github.com/google/uuid"

	"warren/internal/operator/model"
)

func (a *actor) addTask(t model.Task, jobs []model.Job) ([]<-chan Progress, error) {
	if _, ok := parseID(t.ID); !ok {
		return nil, fmt.Errorf("task id %q is no UUID", t.ID)
	}
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		var ok bool
		if ids[i], ok = parseID(j.ID); !ok {
			return nil, fmt.Errorf("job id %q is no UUID", j.ID)
		}
	}
	var version, row, first int64
	err := a.tx.do(func() (err error) {
		if version, err = a.tx.dataVersion(); err == nil {
			row, first, err = a.tx.addTask(&t, jobs, ids)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]<-chan Progress, len(jobs))
	for i, id := range ids {
		out[i] = a.live.add(id, false).ch
		r := pendingRecord(first+int64(i), row, &t, &jobs[i])
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
	row, _, err := a.tx.taskRow(task)
	if err != nil {
		return nil, err
	}
	ids, err := a.tx.unsettled(row)
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

func (a *actor) setCancel(task string) error {
	row, _, err := a.tx.taskRow(task)
	if err != nil {
		return err
	}
	return a.tx.setCancel(row)
}

// claim replaces the driver that was found dead, unless somebody was quicker.
func (a *actor) claim(task, dead, driver string) (bool, error) {
	return a.tx.claim(task, dead, driver)
}
