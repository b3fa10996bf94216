package dispatcher

import (
	"context"
	"time"

	"warren/internal/broker"
	"warren/internal/results"
	"warren/internal/wire"
)

// Ask asks by status for what the agents may still know of a task: jobs without
// an outcome, unless a live process drives them, lost ones, and output that has
// not arrived. It returns when each has answered once or is known to be out of
// reach, or when ctx ends. Jobs without an outcome are driven from here on.
func (d *Dispatcher) Ask(ctx context.Context, t results.Task) error {
	if ours, err := d.Resume(ctx, t); err != nil {
		return err
	} else if ours {
		if err := d.Settled(ctx, t.ID); err != nil {
			return err
		}
	}
	ended := func(j *results.Job) bool { return j.State == results.Ended }
	return d.inquire(ctx, t, wire.TypeStatus, ended)
}

// Resume drives the unfinished jobs of a task that a process which lives no more
// has left. It reports whether there was such a thing to do.
func (d *Dispatcher) Resume(ctx context.Context, t results.Task) (bool, error) {
	if t.Done() {
		return false, nil
	}
	ours, err := d.store.Claim(ctx, t)
	if err != nil || !ours {
		return false, err
	}
	progress, release, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return false, err
	}
	all, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		release()
		return false, err
	}
	var jobs []results.Job
	var chs []<-chan results.Progress
	for _, j := range all {
		if ch := progress[j.ID]; ch != nil && j.State != results.Ended {
			jobs, chs = append(jobs, j), append(chs, ch)
		}
	}
	r := d.task(t, jobs, chs)
	r.resumed, r.release = true, release
	if t.Cancel {
		close(r.cancel)
	}
	return true, d.start(r)
}

// inquire sends one status or cancel for each of those jobs of a task that its
// agent may still have something to say about, and waits until all have answered or ctx
// ends. It runs in the asker's goroutine; nothing is left behind.
func (d *Dispatcher) inquire(ctx context.Context, t results.Task, typ string, about func(*results.Job) bool) error {
	progress, unfollow, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return err
	}
	defer unfollow()
	all, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		return err
	}
	var jobs []results.Job
	for _, j := range all {
		if progress[j.ID] != nil && about(&j) {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	l, err := d.question(typ, &t, jobs, time.Now())
	if err != nil {
		return err
	}
	if err := awaitUp(ctx, d.replies); err != nil {
		return err
	}
	verdicts := make(chan broker.Verdict, len(jobs)) // one for each publication
	for i := range jobs {
		h := host{task: &task{d: d, jobs: jobs}, index: i, verdicts: verdicts}
		pub := h.request(typ, l)
		pub.Ref = uint64(i)
		select {
		case d.out <- pub:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return await(ctx, jobs, progress, verdicts)
}

// await returns when each job has answered or its question came back.
func await(ctx context.Context, jobs []results.Job, progress map[string]<-chan results.Progress, verdicts <-chan broker.Verdict) error {
	back := make([]bool, len(jobs))
	for i, j := range jobs {
		for answered := false; !answered && !back[i]; {
			select {
			case <-progress[j.ID]:
				answered = true
			case v := <-verdicts:
				back[v.Ref] = v.Kind == broker.Returned
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// awaitUp waits for the callback queue: an answer needs a place to go.
func awaitUp(ctx context.Context, s *broker.State) error {
	for s = s.Latest(); s.Phase == broker.Connecting; s = s.Next() {
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
