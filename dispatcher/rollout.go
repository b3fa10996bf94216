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

	// controlPollInterval is how often a task checks whether another process has canceled it,
	// or paused its rollout.
	controlPollInterval = time.Second

	// adoptedPollInterval is the same of a task that was taken over. It may wait for hosts for weeks.
	adoptedPollInterval = 15 * time.Second

	// abandonBatch is how many jobs one transaction ends.
	abandonBatch = 1000
)

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
		return t.fail(ctx, reason)
	case t.plan.Stopped: // another process has asked for it
		return nil
	}
	t.plan.StageBegun()
	return t.recordEvent(ctx, model.Event{Kind: model.StageBegun, Stage: t.plan.Stage, Hosts: last - first})
}

// obstacle returns why a stage must not begin: the audit log cannot be written. Submit has
// logged the first stage. A cancel or a pause by another process takes effect here at the
// latest.
func (t *task) obstacle(ctx context.Context, first, last int) (reason string, err error) {
	if t.plan.Stage == 0 {
		return "", nil
	}
	record, err := t.d.store.Find(ctx, t.record.ID)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return firstLine(err), nil
	case record.Cancel || record.Pause:
		return "", t.obey(ctx, &record)
	}
	if err := t.d.audit(&t.record, t.spec.Hosts[first:last]); err != nil {
		return "the audit log: " + firstLine(err), nil
	}
	return "", nil
}

// canceledElsewhere reports whether another process has canceled the task.
func (t *task) canceledElsewhere(ctx context.Context) bool {
	record, err := t.d.store.Find(ctx, t.record.ID)
	return err == nil && record.Cancel
}

func (t *task) endStage(ctx context.Context) error {
	first, _ := t.record.Rollout.StageBounds(t.plan.Stage)
	t.plan.StageEnded(time.Now())
	return t.recordEvent(ctx, model.Event{Kind: model.StageEnded, Stage: t.plan.Stage, Hosts: t.plan.Released() - first, Failed: t.plan.Failed})
}

// obeyOthers does what another process has asked for.
func (t *task) obeyOthers(ctx context.Context) error {
	record, err := t.d.store.Find(ctx, t.record.ID)
	if err != nil {
		return ctx.Err() // the next poll may succeed
	}
	return t.obey(ctx, &record)
}

func (t *task) obey(ctx context.Context, record *model.Task) error {
	switch {
	case record.Cancel:
		if !isClosed(t.cancel) {
			_, _ = t.d.find(ctx, t.record.ID, cancelHosts) // it fails only if the dispatcher stops
		}
		return t.halt(ctx, rolloutCanceled)
	case record.Pause && t.record.Rollout != nil && !t.adopted:
		return t.pause(ctx, "rollout paused by an operator")
	}
	return nil
}

// fail stops or pauses the rollout, as its operator has chosen for failures.
func (t *task) fail(ctx context.Context, reason string) error {
	if r := t.record.Rollout; r != nil && r.OnFailure == model.OnFailurePause {
		return t.pause(ctx, fmt.Sprintf("rollout paused: %s", reason))
	}
	return t.halt(ctx, fmt.Sprintf("rollout stopped: %s", reason))
}

// pause begins no further job, and leaves the rest of the rollout to the process that resumes
// it. Jobs that have begun go on.
func (t *task) pause(ctx context.Context, reason string) error {
	if t.plan.Stopped || t.plan.Complete() {
		return nil
	}
	t.plan.Stopped = true
	rest := t.plan.Total() - t.plan.Begun
	m := model.Event{Kind: model.Paused, Stage: t.plan.Stage, Hosts: rest, Failed: t.plan.Failed, Begun: t.plan.Begun, Reason: reason}
	return whileSigning(ctx, t, func() error {
		if err := t.recordEvent(ctx, m); err != nil {
			return err
		}
		return t.d.settle(ctx, t, rest)
	})
}

// rolloutCanceled is the reason of a rollout that an operator has canceled.
const rolloutCanceled = "rollout canceled"

// halt begins no further job. Jobs that have begun go on; the others end as canceled.
func (t *task) halt(ctx context.Context, reason string) error {
	if t.plan.Stopped || t.plan.Complete() {
		return nil
	}
	if t.verification != nil {
		if err := cancelVerify(ctx, t.d, t.verification.task); err != nil && ctx.Err() == nil {
			t.d.notify(fmt.Errorf("task %s: the verify command: %w", t.record.ID, err))
		}
	}
	t.plan.Stopped = true
	rest := t.jobs[t.plan.Begun:]
	return whileSigning(ctx, t, func() error {
		if t.record.Rollout != nil {
			m := model.Event{Kind: model.Stopped, Stage: t.plan.Stage, Hosts: len(rest), Failed: t.plan.Failed, Reason: reason}
			if err := t.recordEvent(ctx, m); err != nil {
				return err
			}
		}
		if err := abandon(ctx, t.d, rest, reason); err != nil {
			return err
		}
		return t.d.settle(ctx, t, len(rest))
	})
}

// whileSigning calls store, which may wait for room on the disk, and signs what hosts need
// meanwhile, such as a cancel. Store must not change what signing reads.
func whileSigning(ctx context.Context, t *task, store func() error) error {
	stored := make(chan error, 1)
	go func() { stored <- store() }()
	for {
		select {
		case err := <-stored:
			return err
		case r := <-t.statements:
			s, err := t.sign(ctx, r)
			r.answer <- statementAnswer{s, err}
		}
	}
}

// recordEvent adds an event to the rollout, and retries until it is stored.
func (t *task) recordEvent(ctx context.Context, m model.Event) error {
	m.At = now()
	t.record.Rollout = t.record.Rollout.With(m)
	return untilStored(ctx, func() error { return t.d.store.SetRollout(ctx, t.record.ID, *t.record.Rollout) })
}

// untilStored calls f until the store has done what f asks for: it fails on a full disk, and while
// another process writes for long.
func untilStored(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || ctx.Err() != nil || errors.Is(err, results.ErrStopped) {
			return err
		}
		if err := pause(ctx, storeRetryDelay); err != nil {
			return err
		}
	}
}

// abandon ends jobs that were never sent.
func abandon(ctx context.Context, d *Dispatcher, jobs []model.Job, reason string) error {
	if reason == rolloutCanceled {
		reason = delivery.CanceledUnsent
	} else {
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

// Halt stops a rollout from beginning further jobs. It reports whether this process drives
// such a task.
func (d *Dispatcher) Halt(ctx context.Context, id string) (bool, error) {
	tasks, err := d.find(ctx, id, func(t *task) { closeOnce(t.halted) })
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
