package results

import (
	"maps"
	"slices"
)

// A watchedTask has its last Summary, so that watchers hear of changes only.
type watchedTask struct {
	row      int64
	last     Summary
	watchers []*watcher
}

type watcher struct {
	task string
	ch   chan Summary // capacity 1; the actor sends and closes
}

func (a *actor) watch(task string) (*watcher, error) {
	row, hosts, err := a.tx.taskRow(task)
	if err != nil {
		return nil, err
	}
	if len(a.watched) == 0 { // nobody has polled
		if a.version, err = a.tx.dataVersion(); err != nil {
			return nil, err
		}
	}
	sum, err := a.tx.summary(row, hosts)
	if err != nil {
		return nil, err
	}
	t := a.watched[task]
	if t == nil {
		t = &watchedTask{row: row, last: sum}
		a.watched[task] = t
	}
	w := &watcher{task, make(chan Summary, 1)}
	t.watchers = append(t.watchers, w)
	w.ch <- sum.clone()
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

// changed tells the watchers of tasks that a transaction of this process has
// changed.
func (a *actor) changed(revs map[int64]int64) {
	for _, t := range a.watched {
		if revs[t.row] != 0 {
			a.refresh(t)
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
		a.refresh(t)
	}
}

func (a *actor) refresh(t *watchedTask) {
	sum, err := a.tx.summary(t.row, t.last.Hosts)
	if err != nil {
		a.log.Warn("cannot count results", "err", explain(a.path, err))
		return
	}
	if sum.equal(t.last) {
		return
	}
	t.last = sum
	for _, w := range t.watchers {
		replace(w.ch, sum.clone())
	}
}

func (s Summary) equal(t Summary) bool {
	return s.Hosts == t.Hosts && s.Rev == t.Rev && s.Ended == t.Ended && s.OK == t.OK && maps.Equal(s.Outcomes, t.Outcomes)
}

// clone is for one receiver, who may do with it what he likes.
func (s Summary) clone() Summary {
	s.Outcomes = maps.Clone(s.Outcomes)
	return s
}
