package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// verifyStartTimeout is how long a host may take to start a verify command. The host has just
// run the command of the task.
const verifyStartTimeout = time.Minute

// A verification is the verify command of a stage under way: a task of its own.
type verification struct {
	task      string
	summaries <-chan model.Summary // of the store
	stop      func()
}

// progress is nil if there is no verification.
func (v *verification) progress() <-chan model.Summary {
	if v == nil {
		return nil
	}
	return v.summaries
}

// verify runs the verify command on the hosts of this stage where the command has succeeded.
// If an earlier process has sent the verify command, verify waits for the outcomes.
func (t *task) verify(ctx context.Context) error {
	first, end := t.record.Rollout.StageBounds(t.plan.Stage)
	var hosts []string
	for i := first; i < end; i++ {
		if t.ok[i] {
			hosts = append(hosts, t.spec.Hosts[i])
		}
	}
	if len(hosts) == 0 {
		return t.stageVerified(ctx, "", 0, 0)
	}
	id := t.record.Rollout.VerifyTask()
	if id == "" {
		id = uuid.NewString()
		if err := t.recordEvent(ctx, model.Event{Kind: model.StageVerifying, Stage: t.plan.Stage, Hosts: len(hosts), Failed: t.plan.Failed, Task: id}); err != nil {
			return err
		}
	}
	reason, v := "", &verification{task: id}
	err := untilStored(ctx, func() (err error) {
		if reason, err = t.sendVerify(ctx, id, hosts); err == nil && reason == "" {
			v.summaries, v.stop, err = t.d.store.Watch(ctx, id)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case reason != "":
		return t.fail(ctx, reason)
	}
	t.verification = v
	t.plan.Verifying = true
	return nil
}

// sendVerify submits the task of the verify command, or adopts it. It returns why it cannot.
func (t *task) sendVerify(ctx context.Context, id string, hosts []string) (reason string, err error) {
	sent, err := t.d.store.Find(ctx, id)
	switch {
	case err == nil:
		_, err = t.d.Adopt(ctx, sent)
		return "", err
	case !errors.Is(err, results.ErrNoTask):
		return "", err
	}
	_, err = t.d.submit(ctx, id, verifySpec(&t.record, &t.spec, hosts))
	if err != nil && ctx.Err() == nil {
		return "the verify command: " + firstLine(err), nil
	}
	return "", err
}

// verifySpec runs the verify command as the task's command runs, without its input and its
// secrets.
func verifySpec(t *model.Task, spec *model.Spec, hosts []string) model.Spec {
	r, run := t.Rollout, spec.Run
	if len(run.Script) > 0 {
		run.Shell = "" // it interprets the script
	}
	return model.Spec{
		Command: r.Verify, Hosts: hosts, StartTimeout: min(spec.StartTimeout, verifyStartTimeout), Fanout: spec.Fanout, VerifyOf: t.ID,
		Run: wire.Run{
			Command: r.Verify, Shell: run.Shell, TimeoutMS: r.VerifyTimeout.Milliseconds(), MaxOutput: run.MaxOutput,
			Cwd: run.Cwd, Env: run.Env, User: run.User, KillLeftovers: run.KillLeftovers,
		},
	}
}

// verifyProgress takes the counts of the verify command's task.
func (t *task) verifyProgress(ctx context.Context, sum model.Summary, open bool) error {
	switch {
	case !open: // the store has stopped
		<-ctx.Done()
		return ctx.Err()
	case sum.Ended < sum.Hosts:
		return nil
	}
	id := t.verification.task
	t.verification.end()
	t.verification = nil
	return t.stageVerified(ctx, id, sum.Hosts, sum.Hosts-sum.OK)
}

func (t *task) stageVerified(ctx context.Context, id string, hosts, failed int) error {
	t.plan.StageVerified(failed)
	return t.recordEvent(ctx, model.Event{Kind: model.StageVerified, Stage: t.plan.Stage, Hosts: hosts, Failed: t.plan.Failed, Task: id, VerifyFailed: failed})
}

// end stops watching.
func (v *verification) end() {
	if v != nil {
		v.stop()
	}
}

// cancelVerify cancels the task of a verify command, if it was sent.
func cancelVerify(ctx context.Context, d *Dispatcher, id string) error {
	if id == "" {
		return nil
	}
	t, err := d.store.Find(ctx, id)
	if errors.Is(err, results.ErrNoTask) {
		return nil
	}
	if err != nil || t.Done() {
		return err
	}
	return d.Cancel(ctx, t)
}
