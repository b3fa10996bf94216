package results

import (
	"slices"

	"warren/internal/operator/model"
	"warren/internal/operator/results/sqlite"
)

// A watchedTask has its last Summary, so that watchers get changes only.
type watchedTask struct {
	row      int64
	last     model.Summary
	watchers []*watcher
}

type watcher struct {
	task string
	ch   chan model.Summary // capacity 1; the actor sends and closes
}

func (a *actor) watch(task string) (*watcher, error) {
	row, hosts, err := a.db.TaskRow(task)
	if err != nil {
		return nil, err
	}
	if len(a.watched) == 0 { // no watcher has polled yet
		if a.version, err = a.db.DataVersion(); err != nil {
			return nil, err
		}
	}
	sum, err := a.db.Summary(row, hosts)
	if err != nil {
		return nil, err
	}
	t := a.watched[task]
	if t == nil {
		t = &watchedTask{row: row, last: sum}
		a.watched[task] = t
	}
	w := &watcher{task, make(chan model.Summary, 1)}
	t.watchers = append(t.watchers, w)
	w.ch <- sum.Clone()
	return w, nil
}

func (a *actor) unwatch(w *watcher) {
	t := a.watched[w.task]
	if t == nil || !slices.Contains(t.watchers, w) {
		return // closed twice
	}
	close(w.ch)
	t.watchers = slices.DeleteFunc(t.watchers, func(v *watcher) bool { return v == w })
	if len(t.watchers) == 0 {
		delete(a.watched, w.task)
	}
}

// changed reports a transaction of this process to the watchers of its tasks.
func (a *actor) changed(m *merging) {
	for _, t := range a.watched {
		if m.revs[t.row] != 0 {
			a.refresh(t)
		}
	}
}

// poll looks whether another process has committed anything.
func (a *actor) poll() {
	v, err := a.db.DataVersion()
	if err != nil {
		a.log.Warn("cannot look for other processes' results", "err", sqlite.Explain(a.path, err))
		return
	}
	if v == a.version {
		return
	}
	a.version = v
	for _, t := range a.watched {
		a.refresh(t)
	}
}

// refresh reads the Summary and reports it if it has changed.
func (a *actor) refresh(t *watchedTask) {
	sum, err := a.db.Summary(t.row, t.last.Hosts)
	if err != nil {
		a.log.Warn("cannot count results", "err", sqlite.Explain(a.path, err))
		return
	}
	if sum.Equal(t.last) {
		return
	}
	t.last = sum
	for _, w := range t.watchers {
		replace(w.ch, sum.Clone())
	}
}
