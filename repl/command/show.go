package command

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/collected"
	"warren/repl/result"
	"warren/repl/setup"
	"warren/repl/target"
)

// show prints the results of a task as they are now, writes the audit log, and
// returns the exit status that they mean.
func (env *Env) show(ctx context.Context, task model.Task, v *result.View) error {
	if err := collected.Apply(ctx, env.Store, v, &task); err != nil {
		return err
	}
	task, jobs, chosen, err := env.loadTask(ctx, task.ID, v)
	if err != nil {
		return err
	}
	if v.Collect != nil || v.Save != "" || v.Raw || v.JSONL || v.JSON {
		err = env.Session.Interruptible(ctx, func(ctx context.Context) error { return writeResults(ctx, env, v, task, jobs, chosen) })
	} else { // Ctrl-C is for the pager
		err = env.Printer().Report(ctx, v, task, jobs, chosen)
	}
	if err != nil {
		return err
	}
	return env.SeenAll(ctx, v, task, chosen)
}

// writeResults prints or saves results without a pager.
func writeResults(ctx context.Context, env *Env, v *result.View, task model.Task, jobs, chosen []model.Job) error {
	p := env.Printer()
	switch {
	case v.Collect != nil && !v.JSON && !v.JSONL:
		return collected.NewReport(p, env.IO, v, task).Print(ctx, jobs, chosen)
	case v.Save != "" && v.Collect == nil:
		return p.Save(ctx, v, chosen)
	case v.Raw:
		return p.RawOutput(ctx, v, chosen)
	case v.JSONL:
		return p.Records(ctx, v, task, chosen)
	}
	return p.Document(ctx, v, task, chosen)
}

// printDocument prints a task in its current state as one document, or as records.
func printDocument(ctx context.Context, env *Env, task model.Task, records bool) error {
	v := result.DefaultView()
	if err := collected.Apply(ctx, env.Store, v, &task); err != nil {
		return err
	}
	if records {
		return env.Printer().TaskRecords(ctx, v, task)
	}
	return env.Printer().TaskDocument(ctx, v, task)
}

// SeenAll writes the audit log of results that were shown with their output, and returns the
// exit status that they mean, or an error that says which output is missing.
func (env *Env) SeenAll(ctx context.Context, v *result.View, task model.Task, chosen []model.Job) error {
	status := env.seen(ctx, task, chosen)
	if v.Collect != nil { // its report names what is missing
		return cmp.Or(status, collected.Status(ctx, v, chosen))
	}
	dropped, err := env.Printer().CheckComplete(ctx, v, &task, chosen)
	if err != nil {
		return err
	}
	if dropped != nil && !env.IO.OutTerminal { // there, the mark is seen
		env.Note("%s", dropped.Text)
		env.Note("hint: %s", dropped.Hint)
	}
	return status
}

// loadTask gives a task (full id) as it is now, with its jobs, and those of them
// that are to be shown.
func (env *Env) loadTask(ctx context.Context, id string, v *result.View) (task model.Task, jobs, chosen []model.Job, err error) {
	if task, err = env.Store.Find(ctx, id); err != nil {
		return task, nil, nil, err
	}
	if jobs, err = env.Store.Jobs(ctx, id); err != nil {
		return task, nil, nil, err
	}
	// Of the jobs, so that one document does not contradict itself.
	task.Summary = result.CountJobs(jobs)
	chosen, missing := v.Choose(jobs)
	if len(missing) > 0 {
		return task, jobs, nil, cli.UnknownHosts(&task, missing, jobs)
	}
	return task, jobs, chosen, nil
}

// seen writes the audit log of results that were shown, and returns the exit
// status that the task means.
func (env *Env) seen(ctx context.Context, task model.Task, chosen []model.Job) error {
	env.viewed(task, chosen)
	if setup.RejectedKey(chosen) {
		env.Note("hint: %s", setup.TaskKeyHint(task.Key, env.SigningKeys(ctx)))
	}
	env.clocks.Warn(env.IO, target.ClocksOfJobs(&task, chosen, time.Now()))
	if !task.OK() {
		return cli.ExitWith(cli.ExitFailed)
	}
	return nil
}

// viewed records that the operator has seen the results.
func (env *Env) viewed(task model.Task, jobs []model.Job) {
	if task.Done() { // no need to announce what has been seen
		env.Session.Seen(task.ID)
	}
	hosts := make([]string, len(jobs))
	for i := range jobs {
		hosts[i] = jobs[i].Host
	}
	if err := env.Engine.Viewed(task, hosts); err != nil {
		env.Warn(fmt.Errorf("audit log: %w", err))
	}
}

// showEnding ends what was streamed: it sums the task up, writes the audit log,
// and returns the exit status.
func (env *Env) showEnding(ctx context.Context, task model.Task, v *result.View) error {
	task, jobs, chosen, err := env.loadTask(ctx, task.ID, v)
	if err != nil {
		return err
	}
	if !v.JSONL {
		err = env.IO.Print(func(w *bufio.Writer) error {
			env.Printer().WriteEnding(w, task, jobs)
			var err error
			if v.Collect != nil {
				err = collected.NewReport(env.Printer(), env.IO, v, task).Total(ctx, w, chosen)
			}
			env.Printer().WriteHints(w, task, jobs)
			return err
		})
	}
	if err != nil {
		return err
	}
	if !v.Streamed() { // no output was shown
		return env.seen(ctx, task, chosen)
	}
	return env.SeenAll(ctx, v, task, chosen)
}
