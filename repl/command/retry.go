package command

import (
	"context"
	"errors"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// Retry runs a task again on hosts where it failed.
type Retry struct {
	TaskID       `embed:""`
	Outcome      []string             `placeholder:"NAME,…" help:"Only hosts with this outcome: failed, unreachable, lost or any other. Default: each host where it did not exit with 0."`
	Timeout      *cli.TimeLimit       `placeholder:"TIME" help:"Time limit of the command, instead of the earlier one; none means no limit."`
	StartTimeout cli.Duration         `placeholder:"TIME" help:"Time in which a host must start the command, instead of the earlier one."`
	Fanout       *cli.Count           `placeholder:"N" help:"Number of hosts in progress at the same time, instead of the earlier one; 0 means all."`
	WhenOnline   cli.Duration         `placeholder:"TIME" help:"Let hosts that are offline and have an inbox run the command when they are back within this time."`
	SecretEnv    []cli.SecretVariable `placeholder:"NAME=@FILE" sep:"none" help:"A secret of the earlier task. Secrets are not stored, so give them again. May be repeated."`
	SecretStdin  string               `type:"localfile" placeholder:"FILE" help:"The secret standard input of the earlier task."`
	Rate         cli.Size             `placeholder:"SIZE" help:"Of a push: most bytes that are sent to the broker in a second. The earlier limit is not kept."`

	StoreSecretsFlag `embed:""`
	SendFlags        `embed:""`
}

func (*Retry) Help() string {
	return `Runs the command of an earlier task again, as a new task, on the hosts where it did not succeed. Hosts whose job has not ended are skipped. A host whose job is lost may have run the command already; retry runs it there again.

    retry 1b4e
    retry 1b4e --outcome unreachable --when-online 24h
    retry 1b4e --outcome canceled --rollout 10%,100%     continue a rollout

A push reads its files again. Run retry in the same directory. It is refused if a file has changed.`
}

func (c *Retry) Run(ctx context.Context, env *Env) error {
	if err := c.Consistent(); err != nil {
		return err
	}
	if err := c.checkOutcomes(); err != nil {
		return err
	}
	v, err := c.ResultView(ctx, env)
	if err != nil {
		return err
	}
	task, err := c.Find(ctx, env, "retry")
	if err != nil {
		return err
	}
	if !c.DryRun { // what is lost or unfinished may be known by now
		if err := env.ask(ctx, task); errors.Is(err, term.ErrInterrupted) {
			return cli.ExitWith(cli.ExitFailed)
		} else if err != nil {
			return err
		}
	}
	spec, err := c.spec(ctx, env, task)
	if err != nil {
		return err
	}
	submit := Engine.Submit
	if c.Rate > 0 && spec.Run.Push == nil {
		return cli.Usage("", "retry: --rate is for a push")
	}
	if spec.Run.Push != nil {
		if submit, err = c.resend(ctx, env, &spec); err != nil {
			return err
		}
	}
	return c.Submit(ctx, env, spec, v, c.SecretStdin == "-", submit)
}

func (c *Retry) checkOutcomes() error {
	known := slices.DeleteFunc(model.StatusNames(), func(w string) bool {
		return w == model.StatusAll || w == model.StatusUnfinished
	})
	for i, text := range c.Outcome {
		name, err := cli.CheckOutcome(text, known)
		if err != nil {
			return err
		}
		c.Outcome[i] = name
	}
	return nil
}

// spec is that of the earlier task, for those of its hosts that are meant.
func (c *Retry) spec(ctx context.Context, env *Env, task model.Task) (spec model.Spec, err error) {
	st, err := env.statement(ctx, task)
	if err != nil {
		return spec, err
	}
	spec = model.Spec{
		Command: task.Command, Run: *st.Run, RetryOf: task.ID,
		StartTimeout: task.NotAfter.Sub(task.Created),
		WhenOnline:   task.WhenOnline, Fanout: task.Fanout,
	}
	if c.Fanout != nil {
		spec.Fanout = int(*c.Fanout)
	}
	if c.Timeout != nil {
		spec.Run.TimeoutMS = time.Duration(*c.Timeout).Milliseconds()
	}
	if c.StartTimeout > 0 {
		spec.StartTimeout, spec.WhenOnline = time.Duration(c.StartTimeout), false
	}
	if c.WhenOnline > 0 {
		spec.StartTimeout, spec.WhenOnline = time.Duration(c.WhenOnline), true
	}
	if err := cli.CheckLimits(&spec); err != nil {
		return spec, err
	}
	if spec.Hosts, err = c.chosen(ctx, env, task); err != nil {
		return spec, err
	}
	if spec.Run.Push != nil {
		return spec, nil // its secret is the key of the content
	}
	return spec, c.secrets(ctx, env, &spec)
}

// chosen are the hosts that get it again.
func (c *Retry) chosen(ctx context.Context, env *Env, task model.Task) ([]string, error) {
	jobs, err := env.Store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	hosts, lost, unfinished := result.ToRetry(jobs, c.Outcome)
	if len(unfinished) > 0 {
		env.Note("skipped, not ended yet: %s", hostexpr.Fold(unfinished))
	}
	if len(hosts) == 0 {
		return nil, &cli.Error{
			Status: cli.ExitUsage, Text: "retry: nothing to retry in task " + result.ShortID(task.ID) + ": " + result.StateText(&task),
			Hint: "check_task " + result.ShortID(task.ID) + " shows the outcome of each host",
		}
	}
	env.Note("retrying task %s on %s: %s", result.ShortID(task.ID), term.Plural(len(hosts), "host"), hostexpr.Fold(hosts))
	if len(lost) > 0 {
		env.Note("lost hosts, which may have run it already: %s", hostexpr.Fold(lost))
	}
	return hosts, nil
}

// secrets reads the task's secrets again, since no program has stored them.
func (c *Retry) secrets(ctx context.Context, env *Env, spec *model.Spec) (err error) {
	had := spec.Run.SecretHash != nil
	given := len(c.SecretEnv) > 0 || c.SecretStdin != ""
	spec.Run.SecretHash = nil // of the old one
	switch {
	case c.DryRun:
		return nil
	case had && !given:
		return cli.Usage("give it again: --secret-env NAME=@FILE, --secret-stdin FILE", "retry: the task had a secret, which is not stored")
	case given && !had:
		return cli.Usage("", "retry: the task had no secret")
	}
	if given && spec.WhenOnline {
		if err := c.mayStoreSecrets(env); err != nil {
			return err
		}
	}
	flags := Run{SecretEnv: c.SecretEnv, SecretStdin: c.SecretStdin}
	spec.Secret, err = flags.secret(ctx, env)
	return err
}
