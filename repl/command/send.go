package command

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/hostview"
	"warren/repl/result"
	"warren/repl/term"
)

// A FanoutFlag bounds the hosts in progress. retry has a flag of its own.
type FanoutFlag struct {
	Fanout cli.Count `default:"0" placeholder:"N" env:"WARREN_FANOUT" help:"Number of hosts in progress at the same time; 0 means all."`
}

// SendFlags are the flags of the commands that make a task: how it is sent, and what is done
// while it runs.
type SendFlags struct {
	Rollout          cli.Stages      `placeholder:"STAGES" help:"Send the command in stages. Each number or percentage is the total of hosts at the end of a stage, as in 1,10%,100%."`
	MaxFailures      cli.MaxFailures `placeholder:"N|P%" help:"With --rollout or --fanout: number or percentage of hosts that may fail. After one more failure, no other host gets the command. With --rollout the default is 0."`
	OnFailure        string          `placeholder:"WHAT" help:"What to do after more failures than --max-failures allows: stop (the default) cancels the jobs that were not sent; pause waits for resume."`
	Soak             cli.Duration    `placeholder:"TIME" help:"With --rollout: pause between stages."`
	Verify           string          `placeholder:"COMMAND" help:"With --rollout: command that checks the hosts of each stage after the soak time. A host on which it fails counts as a failure."`
	VerifyTimeout    cli.Duration    `placeholder:"TIME" help:"Time limit of the --verify command. Default: 5m."`
	ConfirmAbove     cli.Count       `default:"100" placeholder:"N" env:"WARREN_CONFIRM_ABOVE" help:"On a terminal, ask for confirmation if there are more hosts than this."`
	Yes              bool            `short:"y" help:"Do not ask for confirmation."`
	DryRun           bool            `help:"List the target hosts and send nothing."`
	Wait             bool            `help:"At the prompt: wait until the task is done, then show the results. --stream, --diff, --stdout, --stderr, --tail and --encoding imply it."`
	Detach           bool            `help:"From the shell: exit as soon as the hosts have the job, and print the task's id."`
	cli.NotifyFlag   `embed:""`
	cli.FollowFlags  `embed:""`
	cli.DisplayFlags `embed:""`
}

// Consistent refuses flags that cannot be combined.
func (c *SendFlags) Consistent() error {
	switch {
	case c.OnFailure != "" && c.OnFailure != string(model.OnFailureStop) && c.OnFailure != string(model.OnFailurePause):
		return cli.Usage("", "--on-failure: %q is neither stop nor pause", c.OnFailure)
	case c.Wait && c.Detach:
		return cli.Usage("", "--wait and --detach cannot be combined")
	case c.Detach && c.showsResults():
		return cli.Usage("check_task takes the same flags", "--detach and flags that say how to show results cannot be combined")
	case c.Detach && (len(c.Rollout.Parts) > 0 || c.MaxFailures.Set):
		return cli.Usage("run it in a terminal of its own, or at the prompt: the rollout is paused when this process ends",
			"--detach: a rollout needs this process until its last stage")
	}
	return nil
}

// waits reports whether the results are waited for.
func (c *SendFlags) waits(env *Env) bool { return c.Wait || c.showsResults() || env.Shell && !c.Detach }

// showsResults reports whether a flag says how to show results, which implies --wait.
func (c *SendFlags) showsResults() bool {
	return c.Stream || c.Diff || c.Stdout || c.Stderr || c.Tail > 0 || c.Encoding != ""
}

// ResultView returns how the results are shown.
func (c *SendFlags) ResultView(ctx context.Context, env *Env) (*result.View, error) {
	v, err := c.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err == nil {
		err = c.Apply(v)
	}
	return v, err
}

// Submit makes a task of spec by the function create, and shows its results by v. It creates
// nothing in a dry run or without the operator's confirmation. inputUsed says that the command
// has read standard input already, so that Submit cannot ask for confirmation. The engine is
// that of env, which Submit starts.
func (c *SendFlags) Submit(ctx context.Context, env *Env, spec model.Spec, v *result.View, inputUsed bool, create func(Engine, context.Context, model.Spec) (model.Task, error)) error {
	r, rest, err := c.rollout(spec.Hosts, spec.Fanout)
	if err != nil {
		return err
	}
	spec.Rollout = r
	spec.Hosts = spec.Hosts[:len(spec.Hosts)-len(rest)]
	if c.DryRun {
		return c.showPlan(env, &spec, rest)
	}
	program, err := c.Program()
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, env, &spec, inputUsed); err != nil {
		return err
	}
	if err := env.Connect(ctx); err != nil {
		return err
	}
	if len(rest) > 0 {
		env.Note("not included in --rollout %s: %s, %s", c.Rollout.Text, term.Plural(len(rest), "host"), hostexpr.Fold(rest))
	}
	task, err := create(env.Engine, ctx, spec)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Detach && program != nil {
		env.Note("--notify has no effect with --detach: this process ends before the task")
	} else {
		env.Session.Notify(task.ID, program)
	}
	switch {
	case c.waits(env):
		return env.WaitAndShow(ctx, task, v)
	case c.Detach:
		return c.detach(ctx, env, task)
	}
	env.Session.Submitted(task.ID)
	return c.printTask(ctx, env, task)
}

// confirm asks the operator before a task goes to many hosts. The answer is the number of
// hosts, which people do not type out of habit.
func (c *SendFlags) confirm(ctx context.Context, env *Env, spec *model.Spec, inputUsed bool) error {
	n := len(spec.Hosts)
	if c.Yes || n <= int(c.ConfirmAbove) || !env.IO.InTerminal || !env.IO.ErrTerminal && !env.IO.OutTerminal {
		return nil
	}
	if inputUsed {
		return cli.Usage("--yes skips the confirmation", "%s are more than --confirm-above %d, and standard input is not free for the confirmation", term.Plural(n, "host"), c.ConfirmAbove)
	}
	env.Note("run %s on %s: %s", spec.Command, term.Plural(n, "host"), hostexpr.Fold(spec.Hosts))
	answer, err := env.Session.Question(ctx, env.IO.Lang.Sprintf("more than %d hosts: type %d to continue: ", c.ConfirmAbove, n))
	if err != nil && !errors.Is(err, term.ErrInterrupted) {
		return err
	}
	if strings.TrimSpace(answer) != strconv.Itoa(n) {
		return &cli.Error{Status: cli.ExitFailed, Text: "not confirmed: nothing was sent", Hint: "--yes skips the confirmation, --dry-run lists the hosts"}
	}
	return nil
}

// showPlan shows what would be sent, and to which hosts.
func (c *SendFlags) showPlan(env *Env, spec *model.Spec, rest []string) error {
	if c.JSON || c.JSONL {
		return hostview.WritePlan(env.IO.Out, spec, rest)
	}
	if err := hostview.Plan(env.IO, spec, rest); err != nil {
		return err
	}
	env.Note("nothing was sent")
	return nil
}
