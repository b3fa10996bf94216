package repl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"warren/internal/hostexpr"
	"warren/internal/results"
	"warren/internal/wire"
)

type runCommand struct {
	Words       []string         `arg:"" optional:"" name:"command" help:"The command, as one word: in quotes. With --script, the script's arguments."`
	Hosts       []string         `placeholder:"EXPR" sep:"none" help:"Where: names, addresses, ranges as in web[01-20,30], with blanks or commas between. May be repeated."`
	Timeout     duration         `default:"60s" placeholder:"TIME" env:"WARREN_TIMEOUT" help:"How long the command may run."`
	Expires     duration         `default:"60s" placeholder:"TIME" env:"WARREN_EXPIRES" help:"How long a host may take to begin it."`
	WhenOnline  duration         `placeholder:"TIME" help:"Let it wait for hosts that are away: one with an inbox runs it when it is back within this time, instead of --expires."`
	Cwd         string           `placeholder:"DIR" help:"Directory to run it in."`
	Env         []variable       `placeholder:"NAME=VALUE" sep:"none" help:"Set a variable in its environment. May be repeated."`
	SecretEnv   []secretVariable `placeholder:"NAME=@FILE" sep:"none" help:"Set a variable to a file's content, which nobody keeps: no log, no store, no journal once the job has ended. NAME=- asks for it. May be repeated."`
	Stdin       string           `placeholder:"FILE" help:"Send the file as its standard input; without it, that is empty. From the shell, - is standard input."`
	SecretStdin string           `placeholder:"FILE" help:"Send the file as its standard input, and have nobody keep it."`
	Script      string           `placeholder:"FILE" help:"Send the file and execute it."`
	Shell       string           `placeholder:"PATH" help:"Shell to run it with, instead of the host's own choice."`
	NoShell     bool             `help:"Split the command by POSIX quoting and execute it without a shell."`
	MaxOutput   size             `default:"1MiB" placeholder:"SIZE" env:"WARREN_MAX_OUTPUT" help:"Output kept of each host and stream: the first and the last part."`
	Fanout      count            `default:"0" placeholder:"N" env:"WARREN_FANOUT" help:"Hosts in flight at the same time; 0 is all."`
	Wait        bool             `help:"At the prompt: wait until it is done, then show the results."`
	Detach      bool             `help:"From the shell: leave as soon as the hosts have it, and print the task's id."`
	reading     `embed:""`
}

func (*runCommand) Help() string {
	return `At the prompt run prints the task's id and returns at once; the end of the task is announced before a later prompt. From the shell it waits and shows the results.

Examples:

    run "uname -a" --hosts "web[01-20] 192.168.0.23"
    run "systemctl restart nginx" --hosts web01 --timeout 5m --wait
    run --script cleanup.sh "/var/tmp" 30 --hosts "db[1-3]"

A job with secrets is sent by the process that has them alone: where that ends before a host has the job, it is lost, or expires.

Ctrl-C while it waits leaves the task running; a second one within two seconds cancels it. Exit status: 0 every host exited with 0, or with --detach every host has the job or will find it in its inbox; 1 otherwise; 2 usage or configuration; 3 no broker.`
}

func (c *runCommand) Run(ctx context.Context, s *session) error {
	if c.Wait && c.Detach {
		return usage("", "--wait and --detach contradict each other")
	}
	v, err := c.view(s)
	if err != nil {
		return err
	}
	spec, repeated, err := c.spec(s.pipedInput())
	if err != nil {
		return err
	}
	if spec.Secret, err = c.secret(ctx, s); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if len(repeated) > 0 {
		s.note("named more than once, counted once: %s", hostexpr.Fold(repeated))
	}
	task, err := s.engine.Submit(ctx, spec)
	if err != nil {
		return withStatus(exitUsage, err)
	}
	switch {
	case !s.shell && !c.Wait:
		s.submitted = append(s.submitted, task.ID)
		return c.printTask(ctx, s, task)
	case c.Detach:
		return c.detach(ctx, s, task)
	}
	return s.waitAndShow(ctx, task, v)
}

// waits reports whether the results are waited for.
func (c *runCommand) waits(s *session) bool { return c.Wait || s.shell && !c.Detach }

// view is how the results are to be shown, where they are.
func (c *runCommand) view(s *session) (*view, error) {
	v, err := c.check(&selection{}, s.stdio.OutTerminal)
	if err == nil && !c.waits(s) && (c.Diff || c.Stdout || c.Stderr || c.Tail > 0 || c.Encoding != "") {
		return nil, usage("check_task takes the same flags", "how results are shown matters only with --wait")
	}
	return v, err
}

// printTask tells that there is a task. The id is the last word, so that it can
// be pasted and parsed.
func (c *runCommand) printTask(ctx context.Context, s *session, task results.Task) error {
	switch {
	case c.JSONL:
		return s.printTaskRecords(ctx, task)
	case c.JSON:
		return s.printTaskDocument(ctx, task)
	}
	if s.shell {
		_, err := fmt.Fprintln(s.stdio.Out, task.ID)
		return err
	}
	_, err := fmt.Fprintf(s.stdio.Out, "task on %s: %s\n", plural(task.Hosts, "host"), task.ID)
	return err
}

// detach leaves as soon as it is known which hosts have the job.
func (c *runCommand) detach(ctx context.Context, s *session, task results.Task) error {
	settled := s.interruptible(ctx, func(ctx context.Context) error { return s.engine.Settled(ctx, task.ID) })
	jobs, err := s.store.Jobs(context.WithoutCancel(ctx), task.ID)
	if err := errors.Join(err, c.printTask(context.WithoutCancel(ctx), s, task)); err != nil {
		return err
	}
	var without []string
	for i := range jobs {
		if !isTaken(&jobs[i]) {
			without = append(without, fmt.Sprintf("%s %s", jobs[i].Host, jobWord(&jobs[i])))
		}
	}
	switch {
	case errors.Is(settled, errInterrupted):
		return &fault{status: exitFailed, text: "interrupted before every host had the job", hint: "check_task " + shortID(task.ID) + " shows how it stands"}
	case settled != nil:
		return settled
	case len(without) > 0:
		return &fault{status: exitFailed, text: fmt.Sprintf("not taken by %d of %s: %s", len(without), plural(len(jobs), "host"), list(without, 10))}
	}
	return nil
}

// isTaken reports whether the agent has taken the job on, or will find it.
func isTaken(j *results.Job) bool {
	switch j.State {
	case results.Sent:
		return j.Reason == results.InInbox
	case results.Accepted, results.Running:
		return true
	case results.Ended:
		switch j.Outcome {
		case wire.Exited, wire.Signaled, wire.TimedOut, wire.FailedToStart, wire.Interrupted:
			return true
		}
	}
	return false
}

// list writes the first words of many.
func list(words []string, most int) string {
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(words[:most], ", "), len(words)-most)
}
