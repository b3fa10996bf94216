package repl

import (
	"cmp"
	"context"
	"slices"
	"time"

	"warren/internal/operator/model"
)

// A tracker knows how the jobs of a task stand, and folds those that have ended
// while more arrive. It reads only what has changed.
type tracker struct {
	view *view
	task model.Task
	jobs []model.Job // zero before the first update
	rev  int64

	groups map[likeness]*group
	of     []*group // of each job; nil while it has not ended
}

// A group is the jobs that have the same result so far.
type group struct {
	likeness
	first   model.Job // as it was when it came
	hosts   int
	changed bool   // since names was made
	names   string // folded
	sample  string // the first line that they have printed
	sampled bool
}

func newTracker(v *view, task model.Task) *tracker {
	whole := *v
	whole.tail = 0 // results are compared as a whole
	return &tracker{
		view: &whole, task: task, rev: -1,
		jobs: make([]model.Job, task.Hosts), groups: make(map[likeness]*group), of: make([]*group, task.Hosts),
	}
}

// update takes in what has changed, and calls each with every job of it.
func (t *tracker) update(ctx context.Context, s store, each func(*model.Job)) error {
	rev, err := s.Changed(ctx, t.task.ID, t.rev, func(j model.Job) {
		t.jobs[j.Index] = j
		if t.view.shows(&j) {
			t.place(&t.jobs[j.Index])
			each(&t.jobs[j.Index])
		}
	})
	if err == nil {
		t.rev = rev
	}
	return err
}

// place puts a job into the group of its result.
func (t *tracker) place(j *model.Job) {
	if g := t.of[j.Index]; g != nil {
		g.hosts, g.changed = g.hosts-1, true
		t.of[j.Index] = nil
		if g.hosts == 0 {
			delete(t.groups, g.likeness)
		}
	}
	if j.State != model.Ended {
		return
	}
	l := t.view.likeness(j)
	g := t.groups[l]
	if g == nil {
		g = &group{likeness: l, first: *j}
		t.groups[l] = g
	}
	g.hosts, g.changed = g.hosts+1, true
	t.of[j.Index] = g
}

// sorted are the groups: what failed first, then outliers, the largest last.
func (t *tracker) sorted() []*group {
	var all []*group
	for _, g := range t.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(gravity(&a.first), gravity(&b.first)), cmp.Compare(a.hosts, b.hosts), cmp.Compare(a.first.Index, b.first.Index))
	})
	return all
}

// fold brings the names of groups up to date.
func (t *tracker) fold(groups []*group) {
	stale := make(map[*group][]string)
	for _, g := range groups {
		if g.changed {
			stale[g] = make([]string, 0, g.hosts)
		}
	}
	if len(stale) == 0 {
		return
	}
	for i, g := range t.of {
		if names, ok := stale[g]; ok {
			stale[g] = append(names, t.jobs[i].Host)
		}
	}
	for g, names := range stale {
		g.names, g.changed = foldShort(names, mostNames), false
	}
}

// mostNames is how long the hosts of a group are written: no screen shows more.
const mostNames = 200

// unfinished are the jobs without an outcome, by state.
func (t *tracker) unfinished() map[model.State][]*model.Job {
	open := make(map[model.State][]*model.Job)
	for i := range t.jobs {
		if j := &t.jobs[i]; j.State != model.Ended && j.Host != "" && t.view.shows(j) {
			open[j.State] = append(open[j.State], j)
		}
	}
	return open
}

// spread is how long the commands ran that have ended.
func (t *tracker) spread() spread {
	var took []time.Duration
	for i := range t.jobs {
		if j := &t.jobs[i]; ran(j) && t.view.shows(j) {
			took = append(took, j.Duration())
		}
	}
	return spreadOfTimes(took)
}

func (t *tracker) summary() model.Summary { return countJobs(t.jobs) }
