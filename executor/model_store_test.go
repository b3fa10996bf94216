package executor

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// The result store, by the rules of internal/operator/results: the first outcome stays,
// lost is provisional, a rejection counts for the job's own request only. What
// is committed outlives the operator; what is queued does not.

// commitTakes is how long an update is queued.
const commitTakes = 3 * time.Millisecond

type modelJob struct {
	model.Job
	created time.Time
	sized   bool // its agent has given the account of its output
	have    map[int64]int
}

func (j *modelJob) String() string {
	return fmt.Sprintf("job %.8s on %s: %s %s %d (%s)", j.ID, j.Host, j.State, j.Outcome, j.ExitCode, j.Reason)
}

// application is one call of Apply.
type application struct {
	updates []results.Update
	answer  chan<- error
}

// A listener is one who drives or follows a job.
type listener struct {
	ch     chan results.Progress
	follow bool
}

func (op *operator) Lease() string { return op.lease }

func (op *operator) Add(_ context.Context, t model.Task, jobs []model.Job) ([]<-chan results.Progress, error) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[t.ID], w.plans[t.ID] = &t, op.submitting
	w.order = append(w.order, t.ID)
	var chs []<-chan results.Progress
	for _, j := range jobs {
		w.jobs[j.ID] = &modelJob{Job: j, created: time.Now(), have: map[int64]int{}}
		chs = append(chs, op.listen(j.ID, false))
	}
	return chs, nil
}

func (op *operator) listen(job string, follow bool) chan results.Progress {
	l := &listener{make(chan results.Progress, 1), follow}
	op.live[job] = append(op.live[job], l)
	return l.ch
}

func (op *operator) Follow(_ context.Context, task string) (map[string]<-chan results.Progress, func(), error) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	chs, own := map[string]<-chan results.Progress{}, map[string]chan results.Progress{}
	for id, j := range w.jobs {
		if j.Task == task && (j.State != model.Ended || j.Outcome == wire.Lost || !j.whole()) {
			own[id] = op.listen(id, true)
			chs[id] = own[id]
		}
	}
	return chs, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for id, ch := range own {
			op.live[id] = slices.DeleteFunc(op.live[id], func(l *listener) bool {
				if l.ch == ch {
					close(ch)
				}
				return l.ch == ch
			})
		}
	}, nil
}

func (j *modelJob) whole() bool { return j.Stdout.Gone || j.Stdout.Missing() == 0 }

func (op *operator) Jobs(_ context.Context, task string) ([]model.Job, error) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	var jobs []model.Job
	for _, j := range w.jobs {
		if j.Task == task {
			jobs = append(jobs, j.Job)
		}
	}
	slices.SortFunc(jobs, func(a, b model.Job) int { return a.Index - b.Index })
	return jobs, nil
}

func (op *operator) Statement(context.Context, string) (string, error) { return "", nil }

func (op *operator) Expect(context.Context, string, time.Time) error { return nil }

func (op *operator) ExpectChecks(context.Context, []model.Job) (<-chan results.CheckAnswer, error) {
	return nil, nil
}

func (op *operator) ForgetChecks(context.Context, []model.Job) error { return nil }

func (op *operator) SetControl(_ context.Context, task string, _ model.Control) error {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[task].Cancel = true
	return nil
}

func (op *operator) Find(context.Context, string) (model.Task, error) { return model.Task{}, nil }

func (op *operator) HasDriver(context.Context, model.Task) bool { return false }

func (op *operator) Watch(context.Context, string) (<-chan model.Summary, func(), error) {
	return nil, func() {}, nil
}

func (op *operator) SetRollout(context.Context, string, model.Rollout) error { return nil }

func (op *operator) Claim(_ context.Context, t model.Task, _ *model.Rollout) (bool, error) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.tasks[t.ID]
	if w.replies[t.Driver] != nil || now.Driver != t.Driver {
		return false, nil
	}
	now.Driver = op.lease
	return true, nil
}

// task is a task as a reader of the store sees it. Its caller has the lock.
func (w *world) task(id string) model.Task {
	t := *w.tasks[id]
	for _, j := range w.jobs {
		if j.Task == id && j.State == model.Ended {
			t.Summary.Ended++
		}
	}
	return t
}

func (op *operator) Apply(_ context.Context, us []results.Update) (<-chan error, error) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	answer := make(chan error, 1)
	op.pending = append(op.pending, application{us, answer})
	time.AfterFunc(commitTakes, op.commit)
	return answer, nil
}

// commit takes the oldest updates.
func (op *operator) commit() {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if op.dead {
		return
	}
	a := op.pending[0]
	op.pending = op.pending[1:]
	for _, u := range a.updates {
		if j := w.jobs[u.Job]; j != nil {
			op.merge(j, u)
			w.tracef(j.ID, "committed %T: %s", u.Reply, j)
			op.tell(j)
		}
	}
	a.answer <- nil
}

func (op *operator) tell(j *modelJob) {
	p := results.Progress{State: j.State, Outcome: j.Outcome, Unknown: op.unknown[j.ID], Forgotten: op.forgot[j.ID], Since: op.since[j.ID], Why: op.why[j.ID], Heard: op.heard[j.ID]}
	op.live[j.ID] = slices.DeleteFunc(op.live[j.ID], func(l *listener) bool {
		select {
		case <-l.ch:
		default:
		}
		l.ch <- p
		over := j.State == model.Ended && (!l.follow || j.Outcome != wire.Lost && j.whole())
		if over {
			close(l.ch)
		}
		return over
	})
}

func (op *operator) merge(j *modelJob, u results.Update) {
	final := j.State == model.Ended && j.Outcome != wire.Lost
	heard := func(s model.State) {
		op.heard[j.ID]++
		op.unknown[j.ID], op.forgot[j.ID] = false, false
		if final {
			return
		}
		if rank(s) > rank(j.State) {
			j.State = s
		}
		if j.Outcome == "" {
			j.Reason = ""
		}
	}
	switch m := u.Reply.(type) {
	case nil:
		switch {
		case final:
			if u.Outcome != "" && u.Outcome != wire.Lost && u.Outcome != j.Outcome {
				op.world.failf("the operator says %s of a job that has ended: %s", u.Outcome, j)
			}
		case u.Digest != nil:
			j.Digest = u.Digest
		case u.Outcome != "":
			j.State, j.Outcome, j.Reason = model.Ended, u.Outcome, u.Reason
		case u.State == model.Sent:
			if rank(j.State) <= rank(model.Sent) {
				j.State, j.Reason = model.Sent, u.Reason
			}
		}
	case *wire.Accepted:
		heard(model.Accepted)
	case *wire.Started:
		heard(model.Running)
	case *wire.Output:
		heard(model.Running)
		op.output(j, m.Offset, m.Data)
	case *wire.State:
		heard("")
		switch m.State {
		case wire.StateAccepted:
			heard(model.Accepted)
		case wire.StateRunning:
			heard(model.Running)
		}
		op.unknown[j.ID], op.forgot[j.ID], op.since[j.ID], op.why[j.ID] = m.State == wire.StateUnknown, m.State == wire.StateForgotten, m.Since, m.Reason
	case *wire.Ended:
		op.ended(j, m, final)
	}
}

func rank(s model.State) int {
	return slices.Index([]model.State{model.Pending, model.Sent, model.Accepted, model.Running, model.Ended}, s)
}

func (op *operator) ended(j *modelJob, m *wire.Ended, final bool) {
	if m.Outcome == wire.Rejected && !bytes.Equal(m.Request, j.Digest) {
		return
	}
	op.heard[j.ID]++
	op.unknown[j.ID], op.forgot[j.ID] = false, false
	switch {
	case final && j.Outcome != m.Outcome:
		op.world.conflicts = append(op.world.conflicts, conflict{j, j.Outcome, m.Outcome, m.Reason})
		return
	case !final:
		j.State, j.Outcome, j.Reason, j.Agent = model.Ended, m.Outcome, m.Reason, m.Agent
		if m.StartedAt != 0 {
			j.Started = time.UnixMilli(m.StartedAt)
		}
	}
	if m.Stdout != nil {
		if !j.sized {
			j.sized, j.Stdout.Size, j.Stdout.Dropped = true, m.Stdout.Size, m.Stdout.Dropped
		}
		j.Stdout.Gone = j.Stdout.Gone || m.Stdout.Gone
		op.output(j, 0, m.Stdout.Data)
	}
}

// output keeps what a job has printed, which must be its own.
func (op *operator) output(j *modelJob, offset int64, data []byte) {
	text := printed(j.ID, op.world.plans[j.Task].Prints)
	if end := offset + int64(len(data)); end > int64(len(text)) || !bytes.Equal(data, text[offset:end]) {
		op.world.failf("output at %d that it has never printed, %d bytes: %s", offset, len(data), j)
		return
	}
	if len(data) == 0 {
		return
	}
	j.have[offset] = max(j.have[offset], len(data))
	kept, end := int64(0), int64(0)
	for _, at := range slices.Sorted(maps.Keys(j.have)) {
		to := at + int64(j.have[at])
		kept += max(0, to-max(at, end))
		end = max(end, to)
	}
	j.Stdout.Kept = kept
}
