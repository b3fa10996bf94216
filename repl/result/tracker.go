package result

import (
	"cmp"
	"context"
	"slices"
	"time"

	"warren/internal/operator/model"
)

// A changeStore knows what has changed of a task.
type changeStore interface {
	Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error)
}

// A Tracker holds the current state of a task's jobs, and folds those that have ended
// while more arrive. It reads only what has changed.
type Tracker struct {
	View *View
	Task model.Task
	Jobs []model.Job // zero before the first update
	Rev  int64

	Groups map[Key]*Group
	of     []*Group // of each job; nil while it has not ended
}

// A Group is the jobs that have the same result so far.
type Group struct {
	Key
	First   model.Job // as it was when it came
	Hosts   int
	Changed bool   // since names was made
	Names   string // folded
	Sample  string // the first line that they have printed
	Sampled bool
}

func NewTracker(v *View, task model.Task) *Tracker {
	whole := *v
	whole.Tail = 0 // results are compared as a whole
	return &Tracker{
		View: &whole, Task: task, Rev: -1,
		Jobs: make([]model.Job, task.Hosts), Groups: make(map[Key]*Group), of: make([]*Group, task.Hosts),
	}
}

// Update takes in what has changed, and calls each with every job of it.
func (t *Tracker) Update(ctx context.Context, s changeStore, each func(*model.Job)) error {
	rev, err := s.Changed(ctx, t.Task.ID, t.Rev, func(j model.Job) {
		t.Jobs[j.Index] = j
		if t.View.Shows(&j) {
			t.Place(&t.Jobs[j.Index])
			each(&t.Jobs[j.Index])
		}
	})
	if err == nil {
		t.Rev = rev
	}
	return err
}

// Place puts a job into the group of its result.
func (t *Tracker) Place(j *model.Job) {
	if g := t.of[j.Index]; g != nil {
		g.Hosts, g.Changed = g.Hosts-1, true
		t.of[j.Index] = nil
		if g.Hosts == 0 {
			delete(t.Groups, g.Key)
		}
	}
	if j.State != model.Ended {
		return
	}
	l := t.View.KeyOf(j)
	g := t.Groups[l]
	if g == nil {
		g = &Group{Key: l, First: *j}
		t.Groups[l] = g
	}
	g.Hosts, g.Changed = g.Hosts+1, true
	t.of[j.Index] = g
}

// Sorted are the groups: what failed first, then outliers, the largest last.
func (t *Tracker) Sorted() []*Group {
	var all []*Group
	for _, g := range t.Groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(Severity(&a.First), Severity(&b.First)), cmp.Compare(a.Hosts, b.Hosts), cmp.Compare(a.First.Index, b.First.Index))
	})
	return all
}

// Fold brings the names of groups up to date.
func (t *Tracker) Fold(groups []*Group) {
	stale := make(map[*Group][]string)
	for _, g := range groups {
		if g.Changed {
			stale[g] = make([]string, 0, g.Hosts)
		}
	}
	if len(stale) == 0 {
		return
	}
	for i, g := range t.of {
		if names, ok := stale[g]; ok {
			stale[g] = append(names, t.Jobs[i].Host)
		}
	}
	for g, names := range stale {
		g.Names, g.Changed = FoldShort(names, MostNames), false
	}
}

// MostNames is how long the hosts of a group are written: no screen shows more.
const MostNames = 200

// Unfinished are the jobs without an outcome, by state.
func (t *Tracker) Unfinished() map[model.State][]*model.Job {
	open := make(map[model.State][]*model.Job)
	for i := range t.Jobs {
		if j := &t.Jobs[i]; j.State != model.Ended && j.Host != "" && t.View.Shows(j) {
			open[j.State] = append(open[j.State], j)
		}
	}
	return open
}

// Durations is how long the commands ran that have ended.
func (t *Tracker) Durations() DurationStats {
	var took []time.Duration
	for i := range t.Jobs {
		if j := &t.Jobs[i]; Ran(j) && t.View.Shows(j) {
			took = append(took, j.Duration())
		}
	}
	return spreadOfTimes(took)
}

func (t *Tracker) Summary() model.Summary { return CountJobs(t.Jobs) }

// Received is how much of the files of a collect has arrived, and from which hosts more will come.
func (t *Tracker) Received(ctx context.Context, now time.Time) *Transfer {
	r := &Transfer{Received: true, Elapsed: max(now.Sub(t.Task.Created), time.Second)}
	size, known := int64(0), true
	for i := range t.Jobs {
		j := &t.Jobs[i]
		h := HostTransfer{Host: j.Host, Done: j.Stdout.Kept, Size: j.Stdout.Kept, Ended: j.State == model.Ended}
		if !h.Ended {
			var ok bool
			h.Size, ok = t.View.Collect.Size(ctx, j)
			known = known && ok
		}
		r.Done, size = r.Done+h.Done, size+h.Size
		if h.Ended || j.State == model.Running {
			r.Hosts = append(r.Hosts, h)
		}
	}
	if known {
		r.Size = size
	}
	return r
}
