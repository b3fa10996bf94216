package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// canceledUnsent is the reason of a job that was canceled before it began.
	canceledUnsent = "canceled before it was sent"

	// neverSent ends the reason of a job whose request never left: it has
	// certainly not run.
	neverSent = "; never sent"

	// lookEvery is how often a rollout that waits for its next stage looks
	// whether it was canceled.
	cancelPollInterval = 5 * time.Second

	// abandonedAtOnce is how many jobs are given up in one transaction.
	abandonBatch = 1000
)

// checkRollout refuses stages that are none.
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

// beginStage lets the next stage's hosts be told, once that is on the disk: who
// takes the task up after this process has died tells nobody, and must know who
// was told. It stops the rollout where it must not go on.
func (t *task) beginStage(ctx context.Context) error {
	first, last := t.plan.released(), t.plan.stages[t.plan.stage]
	reason, err := t.obstacle(ctx, first, last)
	switch {
	case err != nil:
		return err
	case reason != "":
		return t.halt(ctx, reason)
	}
	t.plan.stageBegun()
	return t.recordEvent(ctx, model.Event{Kind: model.StageBegun, Stage: t.plan.stage, Hosts: last - first})
}

// obstacle is why a stage must not begin: the task was canceled by another
// process, or its audit cannot be written. Submit has seen to the first stage.
func (t *task) obstacle(ctx context.Context, first, last int) (reason string, err error) {
	if t.plan.stage == 0 {
		return "", nil
	}
	record, err := t.d.store.Find(ctx, t.record.ID)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "rollout stopped: " + firstLine(err), nil
	case record.Cancel:
		return canceledUnsent, nil
	}
	if err := t.d.audit(t.record.ID, t.record.Command, t.spec.Hosts[first:last]); err != nil {
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
	if t.plan.stage > 1 {
		first = t.plan.stages[t.plan.stage-2]
	}
	t.plan.stageEnded(time.Now())
	return t.recordEvent(ctx, model.Event{Kind: model.StageEnded, Stage: t.plan.stage, Hosts: t.plan.released() - first, Failed: t.plan.failed})
}

// halt begins nothing more. What has begun goes on to its end; what has not is
// said to be canceled, each by its name.
func (t *task) halt(ctx context.Context, reason string) error {
	if t.plan.stopped || t.plan.begun == t.plan.total() {
		return nil
	}
	t.plan.stopped = true
	rest := t.jobs[t.plan.begun:]
	defer t.unsettled.Add(-len(rest))
	if t.record.Rollout != nil {
		m := model.Event{Kind: model.Stopped, Stage: t.plan.stage, Hosts: len(rest), Failed: t.plan.failed, Reason: reason}
		if err := t.recordEvent(ctx, m); err != nil {
			return err
		}
	}
	return t.d.abandon(ctx, rest, reason)
}

// move records a step of the rollout, again and again until it is stored.
func (t *task) recordEvent(ctx context.Context, m model.Event) error {
	m.At = time.Now().UTC().Truncate(time.Millisecond)
	r := *t.record.Rollout // others hold the old one
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
	if reason != canceledUnsent {
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

// leftBehind ends the jobs of stages that a dead process has not begun.
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

// Halt has a rollout begin nothing more. It reports whether this process drives
// such a task.
func (d *Dispatcher) Halt(ctx context.Context, id string) (bool, error) {
	tasks, err := d.find(ctx, id, func(t *task) {
		if !isClosed(t.halted) {
			close(t.halted)
		}
	})
	return len(tasks) > 0, err
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstLine is an error's text without its hints.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
