package rollouts

import (
	"context"
	"errors"

	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// Resume continues a rollout.
type Resume struct {
	command.TaskID   `embed:""`
	Wait             bool `help:"At the prompt: wait until the task is done, then show the results."`
	cli.NotifyFlag   `embed:""`
	cli.FollowFlags  `embed:""`
	cli.DisplayFlags `embed:""`
}

func (*Resume) Help() string {
	return `Continues a rollout that is paused, or whose process has ended. From then on, this process drives the rollout. Hosts that may have got the command do not get it again. Failures before the pause no longer count for --max-failures. If several processes resume a rollout at the same time, one of them drives it.

The key must be the one that has signed the task. Secrets are not stored: only the process that has started a task with secrets can resume it.

From the shell, resume waits and shows the results, as run does.

Exit status: that of run.`
}

// Run implements command.Command.
func (c *Resume) Run(ctx context.Context, env *command.Env) error {
	v, err := c.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err == nil {
		err = c.Apply(v)
	}
	if err != nil {
		return err
	}
	program, err := c.Program()
	if err != nil {
		return err
	}
	task, err := find(ctx, env, &c.TaskID, "resume")
	if err != nil {
		return err
	}
	if err := env.Connect(ctx); err != nil {
		return err
	}
	id := result.ShortID(task.ID)
	switch err := env.Engine.Rollouts().Resume(ctx, task.ID); {
	case errors.Is(err, command.ErrTaken):
		env.Note("task %s: %v; this process does not drive it", id, err)
	case err != nil:
		return cli.WithStatus(cli.ExitUsage, err)
	default:
		env.Session.Notify(task.ID, program)
		env.Note("task %s is resumed (%s)", task.ID, render.Limit(&task))
	}
	if task, err = env.Store.Find(ctx, task.ID); err != nil {
		return err
	}
	if env.Shell || c.Wait || c.shows(v) {
		return env.WaitAndShow(ctx, task, v)
	}
	env.Session.Seen(task.ID) // it may be there already
	env.Session.Submitted(task.ID)
	_, err = env.IO.Lang.Fprintf(env.IO.Out, "task on %s: %s\n", term.Plural(task.Hosts, "host"), task.ID)
	return err
}

// shows reports whether a flag says how to show results, which implies --wait.
func (c *Resume) shows(v *result.View) bool {
	return v.Stream || v.Diff || v.JSON || v.JSONL || v.Tail > 0 || c.Stdout || c.Stderr || c.Encoding != ""
}
