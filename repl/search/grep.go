package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/result"
	"warren/repl/term"
)

// Grep searches the stored output of tasks.
type Grep struct {
	Pattern  string      `arg:"" optional:"" name:"re" help:"The regular expression (RE2), such as 'error|fail' or '(?i)timeout'."`
	Since    cli.TimeArg `placeholder:"TIME" help:"Only tasks issued since this time: an age such as 7d or 2h30m, or a date such as 2026-01-31 or 2026-01-31T12:00:00Z."`
	Hosts    []string    `placeholder:"EXPR" sep:"none" help:"Only the output of these hosts. May be repeated."`
	Task     string      `placeholder:"ID" help:"Only this task."`
	Stdout   bool        `help:"Standard output only."`
	Stderr   bool        `help:"Standard error only."`
	Encoding string      `placeholder:"NAME" help:"Encoding of the output, such as gbk or cp437. Default: the code page that the result names, else UTF-8."`
	JSON     bool        `name:"json" help:"Print one JSON document."`
	JSONL    bool        `name:"jsonl" help:"Print one JSON object per line."`
}

func (*Grep) Help() string {
	return `Prints each matching line after the hosts that have printed it and the id of the task, newest task first. Equal lines of several hosts of a task are one line.

    grep 'nginx/1\.24' --since 7d
    grep '(?i)no space left' --hosts "db[01-20]" --stderr
    grep . --task 1b4e --hosts web07

grep searches what is stored and asks no host. It searches the text of the output, decoded, without line ends. Lines longer than 1 MiB are searched in pieces.

Exit status: 0 a line matches; 1 no line matches; 2 an error.`
}

// Run implements command.Command.
func (c *Grep) Run(ctx context.Context, env *command.Env) error {
	if c.Pattern == "" {
		return cli.Usage("for example grep 'error|fail' --since 7d", "grep: no regular expression given")
	}
	re, err := regexp.Compile(c.Pattern)
	if err != nil {
		return &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("grep: %q is not a regular expression: %v", c.Pattern, err), Hint: `\Q…\E matches literal text`, Err: err}
	}
	flags := cli.DisplayFlags{Stdout: c.Stdout, Stderr: c.Stderr, Encoding: c.Encoding, JSON: c.JSON, JSONL: c.JSONL}
	v, err := flags.View(cli.OutputFlags{}, env.IO.OutTerminal)
	if err != nil {
		return err
	}
	v.Decoded = true
	if v.Hosts, err = command.ResultHosts(ctx, env, "--hosts", c.Hosts); err != nil {
		return err
	}
	if err := env.Start(ctx); err != nil {
		return err
	}
	s := &searching{env: env, view: v, re: re}
	if err := c.search(ctx, s); err != nil {
		if errors.Is(err, term.ErrInterrupted) {
			return cli.ExitWith(cli.ExitUsage)
		}
		return cli.WithStatus(cli.ExitUsage, err)
	}
	s.noteGaps()
	if s.matches == 0 {
		return cli.ExitWith(cli.ExitFailed)
	}
	return nil
}

// search searches the tasks that the flags select.
func (c *Grep) search(ctx context.Context, s *searching) error {
	var one *model.Task
	if c.Task != "" {
		task, err := (&command.TaskID{ID: c.Task}).Find(ctx, s.env, "grep")
		if err != nil {
			return err
		}
		one = &task
	}
	filter := results.Filter{Since: c.Since.Before(time.Now()), Limit: pageOfTasks}
	_, err := s.env.IO.Page(func(w *bufio.Writer) error {
		return s.env.Session.Interruptible(ctx, func(ctx context.Context) error {
			s.out = s.newPrinter(w)
			s.out.begin()
			var err error
			if one != nil {
				err = s.task(ctx, one)
			} else {
				err = s.tasks(ctx, filter)
			}
			if err != nil {
				return err
			}
			return s.out.end(s)
		})
	})
	return err
}

// pageOfTasks is how many tasks are read at a time.
const pageOfTasks = 200

// searching is a search under way.
type searching struct {
	env  *command.Env
	view *result.View
	re   *regexp.Regexp
	out  printer

	searched, matches int
	unsearched        int64    // bytes that are not stored
	gaps              []string // the hosts of the first task with such bytes
	gapTask           string
}

// tasks searches the tasks of a filter, the newest first.
func (s *searching) tasks(ctx context.Context, f results.Filter) error {
	for {
		page, more, err := s.env.Store.Search(ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			if err := s.task(ctx, &page[i]); err != nil && !errors.Is(err, results.ErrNoTask) { // removed meanwhile
				return err
			}
		}
		if !more {
			return nil
		}
		f.After = page[len(page)-1].ID
	}
}

// task searches a task, prints what matches, and writes the audit log.
func (s *searching) task(ctx context.Context, task *model.Task) error {
	jobs, err := s.env.Store.Jobs(ctx, task.ID)
	if err != nil {
		return err
	}
	jobs, _ = s.view.Choose(jobs)
	s.searched++
	s.countGaps(task, jobs)
	search := newTaskSearch(s.env.Store, s.view, s.re, jobs, func(m match) error {
		s.matches++
		return s.out.match(task, m)
	})
	err = search.run(ctx)
	var seen []string
	for i, matched := range search.matched {
		if matched {
			seen = append(seen, jobs[i].Host)
		}
	}
	if len(seen) > 0 {
		if err := s.env.Engine.Viewed(*task, seen); err != nil {
			s.env.Warn(fmt.Errorf("audit log: %w", err))
		}
	}
	return err
}

// countGaps counts the bytes that the store does not have.
func (s *searching) countGaps(task *model.Task, jobs []model.Job) {
	for i := range jobs {
		n := int64(0)
		for _, stream := range s.view.Streams {
			if a := result.Account(&jobs[i], stream); a.Size > a.Kept {
				n += a.Size - a.Kept
			}
		}
		if n == 0 {
			continue
		}
		s.unsearched += n
		if s.gapTask == "" || s.gapTask == task.ID {
			s.gapTask = task.ID
			s.gaps = append(s.gaps, jobs[i].Host)
		}
	}
}

// noteGaps says what was not searched.
func (s *searching) noteGaps() {
	if s.unsearched > 0 {
		s.env.Note("not searched, because it is not stored: %s of output; for example of %s in task %s",
			term.Bytes(s.unsearched), term.Clip(hostexpr.Fold(s.gaps), 60), result.ShortID(s.gapTask))
	}
}
