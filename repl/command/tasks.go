package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"warren/internal/hostname"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// Tasks lists the tasks of the store.
type Tasks struct {
	Since     cli.TimeArg `placeholder:"TIME" help:"Only tasks issued since this time: an age such as 1d or 2h30m, or a date such as 2026-01-31 or 2026-01-31T12:00:00Z."`
	Host      string      `placeholder:"NAME" help:"Only tasks for this host."`
	Command   string      `placeholder:"REGEXP" help:"Only tasks whose command matches this regular expression (RE2)."`
	Outcome   string      `placeholder:"NAME" help:"Only tasks with this outcome on a host: ok, failed, unfinished or any other. With --host, on that host."`
	Limit     cli.Count   `default:"100" placeholder:"N" help:"List at most this many tasks; 0 means all."`
	Prune     bool        `help:"Remove the tasks that are done and older than --older-than, with their results."`
	OlderThan cli.TimeArg `placeholder:"TIME" help:"With --prune: remove tasks older than this."`
	DryRun    bool        `help:"With --prune: print how much would be removed, and remove nothing."`
	JSON      bool        `name:"json" help:"Print one JSON document."`
}

func (*Tasks) Help() string {
	return `Examples:

    tasks --since 1d --outcome failed
    tasks --host web03 --command 'systemctl (re)?start'
    tasks --prune --older-than 30d --dry-run

Warren removes tasks that are done and older than the setting results_retention (90d). While all results together are larger than results_size (1GiB), it removes the oldest tasks that are done, but not the newest. While the archives of collects are larger than collected_size (10GiB), it removes the oldest collects that are done, but not the newest. It never removes a task that is not done.`
}

func (c *Tasks) Run(ctx context.Context, env *Env) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	if c.Prune {
		return c.prune(ctx, env)
	}
	if err := env.Start(ctx); err != nil {
		return err
	}
	var tasks []model.Task
	var more bool
	err = env.Session.Interruptible(ctx, func(ctx context.Context) (err error) {
		tasks, more, err = env.Store.Search(ctx, filter)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return render.WriteTasks(env.IO.Out, tasks)
	}
	if err := render.Tasks(env.IO, tasks); err != nil {
		return err
	}
	switch {
	case len(tasks) == 0 && c.chooses():
		env.Note("no tasks match")
	case len(tasks) == 0:
		env.Note("no tasks yet")
	case more:
		env.Note("there are more tasks: --limit 0 lists all")
	}
	for i := range tasks {
		if t := &tasks[i]; !t.Done() && !env.Store.HasDriver(ctx, *t) {
			env.Note("task %s is shown in its last known state, because its process has ended: check_task %s asks the hosts", result.ShortID(t.ID), result.ShortID(t.ID))
			break
		}
	}
	return nil
}

// chooses reports whether not all tasks are meant.
func (c *Tasks) chooses() bool {
	return c.Since != (cli.TimeArg{}) || c.Host != "" || c.Command != "" || c.Outcome != ""
}

// filter checks the flags before anything is done.
func (c *Tasks) filter(now time.Time) (f results.Filter, err error) {
	switch {
	case c.Prune && c.chooses():
		return f, cli.Usage("tasks --prune --older-than 30d", "--prune selects tasks by age only")
	case c.Prune && c.OlderThan == (cli.TimeArg{}):
		return f, cli.Usage("tasks --prune --older-than 30d", "--prune needs --older-than")
	case !c.Prune && (c.OlderThan != (cli.TimeArg{}) || c.DryRun):
		return f, cli.Usage("tasks --since lists by age", "--older-than and --dry-run are for --prune")
	}
	f = results.Filter{Since: c.Since.Before(now), Limit: int(c.Limit)}
	if c.Host != "" {
		if f.Host, err = hostname.Normalize(c.Host); err != nil {
			return f, cli.WithStatus(cli.ExitUsage, fmt.Errorf("--host: %w", err))
		}
	}
	if c.Command != "" {
		if f.Command, err = regexp.Compile(c.Command); err != nil {
			return f, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("--command: %q is not a regular expression: %v", c.Command, err), Hint: `\Q…\E matches literal text`, Err: err}
		}
	}
	if c.Outcome != "" {
		f.Status, err = cli.CheckOutcome(c.Outcome, model.StatusNames())
	}
	return f, err
}

type pruneDocument struct {
	Tasks  int       `json:"tasks"`
	Bytes  int64     `json:"bytes"` // of output
	Before time.Time `json:"before"`
	DryRun bool      `json:"dry_run"`
}

func (c *Tasks) prune(ctx context.Context, env *Env) error {
	if err := env.Start(ctx); err != nil {
		return err
	}
	before := c.OlderThan.Before(time.Now())
	var tasks int
	var bytes int64
	err := env.Session.Interruptible(ctx, func(ctx context.Context) (err error) {
		tasks, bytes, err = env.Store.Prune(ctx, before, c.DryRun)
		return err
	})
	if err != nil {
		return err
	}
	if !c.DryRun {
		err = env.Session.Interruptible(ctx, env.Store.Vacuum) // or in the store's own time
	}
	if err != nil && !errors.Is(err, term.ErrInterrupted) {
		return err
	}
	if c.JSON {
		return cli.WriteJSON(env.IO.Out, pruneDocument{tasks, bytes, before.UTC().Truncate(time.Second), c.DryRun})
	}
	text := "%s removed with %s of output, from before %s\n"
	if c.DryRun {
		text = "%s would be removed with %s of output, from before %s\n"
	}
	_, err = env.IO.Lang.Fprintf(env.IO.Out, text, term.Plural(tasks, "task"), term.Size(bytes), before.UTC().Format(time.RFC3339))
	return err
}
