package comparison

import (
	"context"
	"errors"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/collected"
	"warren/repl/command"
	"warren/repl/result"
	"warren/repl/term"
)

// Diff compares the results of two tasks.
type Diff struct {
	ID       string   `arg:"" optional:"" help:"The earlier task's id, or 4 or more of its first characters; -1 is the newest task, -2 the one before it."`
	Other    string   `arg:"" optional:"" name:"id2" help:"The later task's id."`
	Hosts    []string `placeholder:"EXPR" sep:"none" help:"Only these hosts. May be repeated."`
	Stdout   bool     `help:"Standard output only."`
	Stderr   bool     `help:"Standard error only."`
	Encoding string   `placeholder:"NAME" help:"Encoding of the output, such as gbk or cp437. Default: the code page that the result names, else UTF-8."`
	JSON     bool     `name:"json" help:"Print one JSON document."`
}

func (*Diff) Help() string {
	return `Compares outcome, exit code and output of each host in two tasks. Hosts with the same change share a block, the most frequent change last. Two changes are the same if they remove and add the same lines in the same order; a block shows the lines around them for its first host. A list at the end has the hosts that are in only one of the tasks. Durations are not compared.

    diff -2 -1                        the two newest tasks
    diff 1b4e 9c1f --hosts "web[01-20]"
    diff 1b4e 9c1f --stdout --json

diff reads stored results and asks no host. Streams of more than 1 MiB are not compared line by line.

Exit status: 0 no difference; 1 a difference, or output is missing; 2 wrong usage or no such task.`
}

// Run implements command.Command.
func (c *Diff) Run(ctx context.Context, env *command.Env) error {
	if c.Other == "" {
		return cli.Usage("diff -2 -1 compares the two newest tasks", "diff: two task ids are needed")
	}
	flags := cli.DisplayFlags{Stdout: c.Stdout, Stderr: c.Stderr, Encoding: c.Encoding, JSON: c.JSON}
	v, err := flags.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err != nil {
		return err
	}
	v.Diff = true
	if v.Hosts, err = command.ResultHosts(ctx, env, "--hosts", c.Hosts); err != nil {
		return err
	}
	var sides [2]side
	for i, id := range []string{c.ID, c.Other} {
		if sides[i].task, err = (&command.TaskID{ID: id}).Find(ctx, env, "diff"); err != nil {
			return err
		}
		if collect, err := collected.Of(ctx, env.Store, &sides[i].task); err != nil {
			return err
		} else if collect != nil {
			short := result.ShortID(sides[i].task.ID)
			return cli.Usage("check_task "+short+" --save DIR saves the files; compare two directories with diff -r", "diff: task %s is a collect", short)
		}
	}
	if sides[0].task.ID == sides[1].task.ID {
		return cli.Usage("diff -2 -1 compares the two newest tasks", "diff: both ids name task %s", result.ShortID(sides[0].task.ID))
	}
	var found *comparison
	err = env.Session.Interruptible(ctx, func(ctx context.Context) error {
		found, err = c.compare(ctx, env, v, sides[0], sides[1])
		return err
	})
	if errors.Is(err, term.ErrInterrupted) {
		return cli.ExitWith(cli.ExitUsage)
	}
	if err != nil {
		return err
	}
	return c.show(ctx, env, v, found)
}

func (c *Diff) compare(ctx context.Context, env *command.Env, v *result.View, before, after side) (*comparison, error) {
	known := 0
	for _, s := range []*side{&before, &after} {
		jobs, err := env.Store.Jobs(ctx, s.task.ID)
		if err != nil {
			return nil, err
		}
		s.jobs, _ = v.Choose(jobs)
		known += len(s.jobs)
		if err := env.Store.Sums(ctx, s.jobs); err != nil {
			return nil, err
		}
	}
	if known == 0 {
		return nil, cli.Usage("check_task "+result.ShortID(before.task.ID)+" shows the hosts of a task", "--hosts: neither task has any of these hosts: %s", hostexpr.Fold(v.Hosts.Names()))
	}
	return compare(ctx, newDiffer(env.Printer(), v), before, after)
}

// show prints a comparison, writes the audit log, and returns the exit status.
func (c *Diff) show(ctx context.Context, env *command.Env, v *result.View, found *comparison) error {
	p := &printer{out: env.IO, differ: newDiffer(env.Printer(), v), found: found}
	write := p.report
	if c.JSON {
		write = p.document
	}
	if err := write(ctx); err != nil {
		return err
	}
	missing := false
	for _, s := range []*side{&found.before, &found.after} {
		if err := env.Engine.Viewed(s.task, hostsOf(s.jobs)); err != nil {
			env.Warn(err)
		}
		if !s.task.Done() {
			env.Note("task %s is not done: %d of %s have ended", result.ShortID(s.task.ID), s.task.Summary.Ended, term.Plural(s.task.Hosts, "host"))
		}
		if _, err := env.Printer().CheckComplete(ctx, v, &s.task, s.jobs); err != nil {
			missing = true
			env.Warn(err)
		}
	}
	if found.differs() || missing {
		return cli.ExitWith(cli.ExitFailed)
	}
	return nil
}

func hostsOf(jobs []model.Job) []string {
	hosts := make([]string, len(jobs))
	for i := range jobs {
		hosts[i] = jobs[i].Host
	}
	return hosts
}
