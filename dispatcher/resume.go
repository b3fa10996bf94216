package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/dispatcher/plan"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// ErrTaken: another process has resumed, stopped or canceled the rollout at the same time.
var ErrTaken = errors.New("another process has taken over the rollout")

// driverEnded is the reason of a rollout that is paused because its process has ended.
const driverEnded = "rollout paused: the process that drove it has ended"

// A secretQuery asks the loop for the secret of a task that this process has submitted.
type secretQuery struct {
	task   string
	answer chan<- *wire.Secret // one slot
}

func (l *loop) secret(id string) *wire.Secret {
	for t := range l.unsettled {
		if t.record.ID == id && t.spec.Secret != nil {
			return t.spec.Secret
		}
	}
	return l.secrets[id]
}

// Pause makes the process that drives a rollout begin no further job. If that process has
// ended, this one records that the rollout is paused.
func (d *Dispatcher) Pause(ctx context.Context, t model.Task) error {
	if d.store.HasDriver(ctx, t) {
		return d.store.SetControl(ctx, t.ID, model.ControlPause)
	}
	_, err := d.Adopt(ctx, t)
	return err
}

// Resume continues a rollout that is paused, or whose process has ended: from now on this
// process drives it. Jobs that may have been sent before get status requests only. Its error
// is ErrTaken if another process was faster.
func (d *Dispatcher) Resume(ctx context.Context, t model.Task) error {
	o := takeover{d, t}
	spec, err := o.spec(ctx)
	if err != nil {
		return err
	}
	begun := t.Rollout.Released()
	resumed := model.Event{At: now(), Kind: model.Resumed, Stage: t.Rollout.Stage(), Hosts: t.Hosts - begun}
	if resumed.Failed, err = o.failures(ctx, begun); err != nil {
		return err
	}
	r := t.Rollout.With(resumed)
	taken, err := d.store.Claim(ctx, t, r)
	if err != nil {
		return err
	}
	if !taken {
		return ErrTaken
	}
	ctx, cancel := claimed(ctx)
	defer cancel()
	t.Rollout, t.Pause, t.Driver = r, false, d.store.Lease()
	spec.Rollout = r
	progress, release, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return err
	}
	jobs, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		release()
		return err
	}
	return d.start(takeover{d, t}.resumed(spec, jobs, progress, begun, release))
}

// A takeover makes this process drive a task that another process has driven, or this one
// before a pause. The task is as it was read from the store.
type takeover struct {
	d    *Dispatcher
	task model.Task
}

// resumed is the task of a rollout whose first jobs may have been sent before.
func (o takeover) resumed(spec model.Spec, jobs []model.Job, progress map[string]<-chan results.Progress, begun int, release func()) *task {
	channels := make([]<-chan results.Progress, len(jobs))
	t := o.d.task(o.task, jobs, jobs, channels)
	t.spec, t.resumed, t.release, t.stopped = spec, begun, release, t.halted
	failed := 0
	for i := range jobs {
		j := &jobs[i]
		t.spec.Hosts = append(t.spec.Hosts, j.Host)
		if j.State != model.Ended {
			channels[i] = progress[j.ID]
			continue
		}
		t.endedBefore++
		if t.ok[i] = j.OK(); !t.ok[i] {
			failed++
		}
	}
	t.plan = plan.Resume(len(jobs), spec.Fanout, o.task.Rollout, begun, t.endedBefore, failed)
	return t
}

// failures counts the hosts that have failed, among those whose jobs have begun.
func (o takeover) failures(ctx context.Context, begun int) (int, error) {
	jobs, err := o.d.store.Jobs(ctx, o.task.ID)
	n := o.task.Rollout.VerifyFailed()
	for i := range jobs[:min(begun, len(jobs))] {
		if jobs[i].State == model.Ended && !jobs[i].OK() {
			n++
		}
	}
	return n, err
}

// refusal returns why this process cannot resume the rollout; nil: it can, as far as is known
// without its statement.
func (o takeover) refusal(ctx context.Context) error {
	t, d := o.task, o.d
	id := t.ID[:8]
	switch r := t.Rollout; {
	case r == nil:
		return hint.Errorf("retry "+id+" makes a new task", "task %s is not a rollout", t.ID)
	case t.Cancel:
		return hint.Errorf("retry "+id+" --outcome canceled makes a new task", "task %s was canceled", t.ID)
	case t.Done() && r.StopReason() == "":
		return fmt.Errorf("task %s is done", t.ID)
	case r.StopReason() != "":
		return hint.Errorf("retry "+id+" --outcome canceled --rollout STAGES continues with a new task", "task %s: %s", t.ID, r.StopReason())
	case r.Pause() == nil && d.store.HasDriver(ctx, t):
		return hint.Errorf("watch "+id+" shows it", "task %s is not paused", t.ID)
	case t.Key != d.fingerprint():
		return hint.Errorf("--identity names the key", "task %s was signed by another key, %s: only that key can resume it", t.ID, keyText(t.Key))
	}
	return nil
}

// spec returns the specification, without the hosts, of a task whose rollout this process can
// resume, or why it cannot.
func (o takeover) spec(ctx context.Context) (spec model.Spec, err error) {
	if err := o.refusal(ctx); err != nil {
		return spec, err
	}
	t, d, id := o.task, o.d, o.task.ID[:8]
	text, err := d.store.Statement(ctx, t.ID)
	if err != nil {
		return spec, err
	}
	st, err := wire.DecodeStatement(text)
	if err != nil || st.Run == nil {
		return spec, fmt.Errorf("task %s: cannot read its statement from the result store: %w", t.ID, err)
	}
	spec = model.Spec{
		Command: t.Command, Run: *st.Run, StartTimeout: t.NotAfter.Sub(t.Created), WhenOnline: t.WhenOnline, Fanout: t.Fanout, RetryOf: t.RetryOf,
	}
	if spec.Run.SecretHash != nil {
		spec.Run.SecretHash = nil // of the first statement
		if spec.Secret, err = o.secret(ctx); err != nil {
			return spec, err
		}
		if spec.Secret == nil && spec.Run.Push != nil {
			return spec, hint.Errorf("cancel "+id+", then push again: hosts that have the files answer same",
				"task %s is a push, and only the process that started it has the content: this process cannot resume it", t.ID)
		}
		if spec.Secret == nil {
			return spec, hint.Errorf("cancel "+id+", then retry "+id+" --outcome canceled with --secret-env or --secret-stdin",
				"task %s has secrets, which only the process that started it knows: this process cannot resume it", t.ID)
		}
	}
	return spec, nil
}

func keyText(fingerprint string) string {
	if fingerprint == "" {
		return "none"
	}
	return fingerprint
}

// secret returns the secret of the task if this process has submitted it, or nil.
func (o takeover) secret(ctx context.Context) (*wire.Secret, error) {
	answer := make(chan *wire.Secret, 1)
	select {
	case o.d.secrets <- secretQuery{o.task.ID, answer}:
		return <-answer, nil
	case <-o.d.done:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claimed returns the context in which a task begins to be driven that this process has claimed: no
// other process drives it from then on, so it does not end with the caller's.
func claimed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}

// claim makes this process the driver of a task whose process has ended. If that task is a
// rollout in progress, it is paused from then on, or stopped if the task was canceled. It
// reports whether it has, and returns the rollout.
func (o takeover) claim(ctx context.Context) (*model.Rollout, bool, error) {
	t, r := o.task, o.task.Rollout
	if !r.Open(t.Hosts) || r.Pause() != nil && !t.Cancel {
		ours, err := o.d.store.Claim(ctx, t, nil)
		return r, ours, err
	}
	begun := r.Released()
	e := model.Event{At: now(), Kind: model.Paused, Stage: r.Stage(), Hosts: t.Hosts - begun, Begun: begun, Reason: driverEnded}
	if t.Cancel {
		e.Kind, e.Begun, e.Reason = model.Stopped, 0, rolloutCanceled
	}
	var err error
	if e.Failed, err = o.failures(ctx, begun); err != nil {
		return r, false, err
	}
	next := r.With(e)
	ours, err := o.d.store.Claim(ctx, t, next)
	if t.Cancel {
		next = r // which says what was not sent
	}
	return next, ours, err
}

// abandonStopped ends the jobs that the ended process of a stopped or canceled rollout has
// not begun.
func (o takeover) abandonStopped(ctx context.Context, jobs []model.Job) error {
	r := o.task.Rollout
	if r == nil || r.Released() >= len(jobs) {
		return nil
	}
	reason := r.StopReason()
	if o.task.Cancel {
		reason = rolloutCanceled
	}
	if reason == "" { // it is paused
		return nil
	}
	return abandon(ctx, o.d, unfinished(jobs[r.Released():]), reason)
}

// cancelUnsent ends the rest of a rollout that no process drives. The process that drives a
// rollout does so itself.
func (o takeover) cancelUnsent(ctx context.Context) error {
	t, r := o.task, o.task.Rollout
	if r == nil || r.StopReason() != "" || t.Done() {
		return nil
	}
	jobs, err := o.d.store.Jobs(ctx, t.ID)
	if err != nil {
		return err
	}
	begun := min(r.Released(), len(jobs))
	e := model.Event{At: now(), Kind: model.Stopped, Stage: r.Stage(), Hosts: len(jobs) - begun, Reason: rolloutCanceled}
	ours, err := o.d.store.Claim(ctx, t, r.With(e))
	if err != nil || !ours { // whoever drives it sees the cancel
		return err
	}
	if err := abandon(ctx, o.d, unfinished(jobs[begun:]), rolloutCanceled); err != nil {
		return err
	}
	return cancelVerify(ctx, o.d, r.VerifyTask())
}

// unfinished returns the jobs that have no outcome.
func unfinished(jobs []model.Job) []model.Job {
	return slices.DeleteFunc(slices.Clone(jobs), func(j model.Job) bool { return j.State == model.Ended })
}

// now is the time of an event, as the store keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
