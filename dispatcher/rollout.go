package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/dispatcher/delivery"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// neverSent ends the reason of a job whose request never left. Such a job has
	// certainly not run.
	neverSent = "; never sent"

	// cancelPollInterval is how often a rollout that waits for its next stage checks
	// whether another process has canceled it.
	cancelPollInterval = 5 * time.Second

	// abandonBatch is how many jobs one transaction ends.
	abandonBatch = 1000
)

// checkRollout returns an error unless the stages ascend to the number of hosts.
func checkRollout(r *model.Rollout, hosts int) error {
	if r == nil {
		return nil
	}
	last := 0
	for _, n := range r.Stages {
		if n <= last {
			return fmt.Errorf("the stages of a rollout do not ascend: %v", r.Stages)
		}
		last = n
	}
	if last != hosts {
		return fmt.Errorf("the stages %v do not end with all %d hosts", r.Stages, hosts)
	}
	return nil
}

// beginStage releases the hosts of the next stage once that is stored: a process that
// adopts the task must know which hosts may have a request. It stops the rollout if the
// stage must not begin.
func (t *task) beginStage(ctx context.Context) error {
	first, last := t.plan.Released(), t.plan.Stages[t.plan.Stage]
	reason, err := t.obstacle(ctx, first, last)
	switch {
	case err != nil:
		return err
	case reason != "":
		return t.halt(ctx, reason)
	}
	t.plan.StageBegun()
	return t.recordEvent(ctx, model.Event{Kind: model.StageBegun, Stage: t.plan.Stage, Hosts: last - first})
}

// obstacle returns why a stage must not begin: another process has canceled the task, or
// the audit log cannot be written. Submit has logged the first stage.
func (t *task) obstacle(ctx context.Context, first, last int) (reason string, err error) {
	if t.plan.Stage == 0 {
		return "", nil
	}
	record, err := t.d.store.Find(ctx, t.record.ID)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "rollout stopped: " + firstLine(err), nil
	case record.Cancel:
		return delivery.CanceledUnsent, nil
	}
	if err := t.d.audit(&t.record, t.spec.Hosts[first:last]); err != nil {
		return "rollout stopped: the audit log: " + firstLine(err), nil
	}
	return "", nil
}

// canceledElsewhere reports whether another process has canceled the task.
func (t *task) canceledElsewhere(ctx context.Context) bool {
	record, err := t.d.store.Find(ctx, t.record.ID)
	return err == nil && record.Cancel
}

func (t *task) endStage(ctx context.Context) error {
	first := 0
	if t.plan.Stage > 1 {
		first = t.plan.Stages[t.plan.Stage-2]
	}
	t.plan.StageEnded(time.Now())
	return t.recordEvent(ctx, model.Event{Kind: model.StageEnded, Stage: t.plan.Stage, Hosts: t.plan.Released() - first, Failed: t.plan.Failed})
}

// halt begins no further job. Jobs that have begun go on; the others end as canceled.
func (t *task) halt(ctx context.Context, reason string) error {
	if t.plan.Stopped || t.plan.Begun == t.plan.Total() {
		return nil
	}
	t.plan.Stopped = true
	rest := t.jobs[t.plan.Begun:]
	if t.record.Rollout != nil {
		m := model.Event{Kind: model.Stopped, Stage: t.plan.Stage, Hosts: len(rest), Failed: t.plan.Failed, Reason: reason}
		if err := t.recordEvent(ctx, m); err != nil {
			return err
		}
	}
	if err := t.d.abandon(ctx, rest, reason); err != nil {
		return err
	}
	return t.d.settle(ctx, t, len(rest))
}

// recordEvent adds an event to the rollout, and retries until it is stored.
func (t *task) recordEvent(ctx context.Context, m model.Event) error {
	m.At = time.Now().UTC().Truncate(time.Millisecond)
	r := *t.record.Rollout // other goroutines hold the old one
	r.Events = append(slices.Clone(r.Events), m)
	t.record.Rollout = &r
	for {
		err := t.d.store.SetRollout(ctx, t.record.ID, r)
		if err == nil || ctx.Err() != nil || errors.Is(err, results.ErrStopped) {
			return err
		}
		if err := pause(ctx, storeRetryDelay); err != nil {
			return err
		}
	}
}

// abandon ends jobs that were never sent.
func (d *Dispatcher) abandon(ctx context.Context, jobs []model.Job, reason string) error {
	if reason != delivery.CanceledUnsent {
		reason += neverSent
	}
	for some := range slices.Chunk(jobs, abandonBatch) {
		news := make([]results.Update, len(some))
		for i, j := range some {
			news[i] = results.Update{Job: j.ID, Outcome: wire.Canceled, Reason: reason}
		}
		if err := d.apply(ctx, news); err != nil {
			return err
		}
	}
	return nil
}

// abandonUnstarted ends the jobs of stages that the process of an adopted task has not
// begun.
func (d *Dispatcher) abandonUnstarted(ctx context.Context, t *model.Task, jobs []model.Job) error {
	if t.Rollout == nil || t.Rollout.Released() >= len(jobs) {
		return nil
	}
	var rest []model.Job
	for _, j := range jobs[t.Rollout.Released():] {
		if j.State != model.Ended {
			rest = append(rest, j)
		}
	}
	reason := t.Rollout.StopReason()
	if reason == "" {
		reason = "rollout stopped: the process that drove it has ended"
		r := *t.Rollout
		r.Events = append(slices.Clone(r.Events), model.Event{At: time.Now().UTC().Truncate(time.Millisecond), Kind: model.Stopped, Stage: r.Stage(), Hosts: len(rest), Reason: reason})
		if err := d.store.SetRollout(ctx, t.ID, r); err != nil {
			return err
		}
	}
	return d.abandon(ctx, rest, reason)
}

// Halt stops a rollout from beginning further jobs. It reports whether this process drives
// such a task.
func (d *Dispatcher) Halt(ctx context.Context, id string) (bool, error) {
	tasks, err := d.find(ctx, id, func(t *task) {
		if !isClosed(t.halted) {
			close(t.halted)
		}
	})
	return len(tasks) > 0, err
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstLine returns an error's text without its hint.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
