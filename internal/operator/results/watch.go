package results

import (
	"slices"

	"warren/internal/operator/model"
)

// A watchedTask has its last Summary, so that watchers hear of changes only. As long
// as nobody else has written to the file, which version tells, this process's own
// changes need only be added to it.
type watchedTask struct {
	row      int64
	last     model.Summary
	version  int64 // PRAGMA data_version before last was read
	watchers []*watcher
}

type watcher struct {
	task string
	ch   chan model.Summary // capacity 1; the actor sends and closes
}

func (a *actor) watch(task string) (*watcher, error) {
	row, hosts, err := a.tx.taskRow(task)
	if err != nil {
		return nil, err
	}
	version, err := a.tx.dataVersion()
	if err != nil {
		return nil, err
	}
	if len(a.watched) == 0 { // nobody has polled
		a.version = version
	}
	sum, err := a.tx.summary(row, hosts)
	if err != nil {
		return nil, err
	}
	t := a.watched[task]
	if t == nil {
		t = &watchedTask{row: row, last: sum, version: version}
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

// changed tells the watchers of tasks what a transaction of this process has
// changed.
func (a *actor) changed(m *merging) {
	for _, t := range a.watched {
		rev := m.revs[t.row]
		switch {
		case rev == 0:
		case t.version == m.version:
			sum := t.last.Clone()
			for kind, n := range m.deltas[t.row] {
				sum.Add(kind, n)
			}
			sum.Rev = rev
			t.tell(sum)
		default:
			a.refresh(t, m.version)
		}
	}
}

// poll looks whether another process has committed anything. That costs no
// read of the database: https://sqlite.org/pragma.html#pragma_data_version
func (a *actor) poll() {
	v, err := a.tx.dataVersion()
	if err != nil {
		a.log.Warn("cannot look for other processes' results", "err", explain(a.path, err))
		return
	}
	if v == a.version {
		return
	}
	a.version = v
	for _, t := range a.watched {
		a.refresh(t, v)
	}
}

// refresh reads the Summary anew; version was that of the file before.
func (a *actor) refresh(t *watchedTask, version int64) {
	sum, err := a.tx.summary(t.row, t.last.Hosts)
	if err != nil {
		a.log.Warn("cannot count results", "err", explain(a.path, err))
		return
	}
	t.version = version
	t.tell(sum)
}

func (t *watchedTask) tell(sum model.Summary) {
	if sum.Equal(t.last) {
		return
	}
	t.last = sum
	for _, w := range t.watchers {
		replace(w.ch, sum.Clone())
	}
}
