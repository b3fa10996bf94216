package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/taskref"
)

// Cancel stops a task, or some of its jobs.
type Cancel struct {
	TaskID `embed:""`
	JSON   bool `name:"json" help:"Print one JSON document."`
	JSONL  bool `name:"jsonl" help:"Print one JSON object per line: the task, then each job in its current state."`
}

func (*Cancel) Help() string {
	var results strings.Builder
	for _, r := range model.CancelResults {
		fmt.Fprintf(&results, "    %-14s  %s\n", r.Text().Word, r.Text().Sentence)
	}
	return "Asks the agents to stop the command, or not to start it. Counts the effects that they report within a second:\n\n" +
		results.String() + "\ncheck_task shows the final outcome of each job.\n\n" +
		"Exit status: 0 the cancel was sent, also if a host refuses it, or the task is done; 1 the broker has not accepted it; 2 wrong usage or no such task; 3 no broker."
}

func (c *Cancel) Run(ctx context.Context, env *Env) error {
	if c.JSON && c.JSONL {
		return cli.Usage("", "--json and --jsonl cannot be combined")
	}
	task, err := c.Find(ctx, env, "cancel")
	if err != nil {
		return err
	}
	if task.Done() {
		env.Note("task %s is done already: nothing to cancel", result.ShortID(task.ID))
	} else {
		if err := env.Connect(ctx); err != nil {
			return err
		}
		done, err := cancelTask(ctx, env, task)
		if err != nil {
			return err
		}
		if len(done) > 0 && !c.JSON && !c.JSONL {
			for i, line := range done {
				done[i] = env.IO.Lang.Text(line)
			}
			return env.IO.Lines(done)
		}
	}
	if c.JSON || c.JSONL {
		return printDocument(ctx, env, task, c.JSONL)
	}
	return nil
}

// cancelOutcomeTimeout is how long cancel waits for the answers of the agents.
const cancelOutcomeTimeout = time.Second

// cancelTask cancels a task and returns the outcome so far, in lines.
func cancelTask(ctx context.Context, env *Env, task model.Task) ([]string, error) {
	before, err := env.Store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	err = env.Session.Interruptible(ctx, func(ctx context.Context) error { return env.Engine.Cancel(ctx, task.ID) })
	if err := env.ReportCancel(task.ID, err); err != nil {
		return nil, err
	}
	if err := taskref.AwaitEnd(ctx, env.Store, task, cancelOutcomeTimeout); err != nil {
		return nil, err
	}
	now, err := env.Store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	if counts := result.CountCancelResults(before, now); counts != "" {
		return append([]string{counts}, result.Refusals(now)...), nil
	}
	return nil, nil
}

// ReportCancel reports that a cancel has been sent, or returns why it was not.
func (env *Env) ReportCancel(task string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &cli.Error{Status: cli.ExitFailed, Text: "the broker accepts no cancel now: task " + task + " is still running", Hint: "try again: cancel " + result.ShortID(task), Err: err}
	}
	if err != nil {
		return err
	}
	env.Note("canceling task %s; check_task %s shows the results", task, result.ShortID(task))
	return nil
}
