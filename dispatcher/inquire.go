package dispatcher

import (
	"context"
	"time"

	"warren/internal/broker"
	"warren/internal/results"
)

// inquire sends one status or cancel for each job of a task that its agent may
// still have something to say about, and waits until all have answered or ctx
// ends. It runs in the asker's goroutine; nothing is left behind.
func (d *Dispatcher) inquire(ctx context.Context, t results.Task, typ string) error {
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
		if progress[j.ID] != nil {
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
