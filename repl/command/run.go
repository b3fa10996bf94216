package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/target"
	"warren/repl/term"
)

type runCommand struct {
	target.Flags `embed:""`

	Words        []string             `arg:"" optional:"" name:"command" help:"The command, as one word: in quotes. With --script, the script's arguments."`
	Timeout      cli.TimeLimit        `default:"none" placeholder:"TIME" env:"WARREN_TIMEOUT" help:"How long the command may run; then its host ends it. Without it, until it ends by itself or is canceled."`
	StartTimeout cli.Duration         `default:"60s" placeholder:"TIME" env:"WARREN_START_TIMEOUT" help:"How long a host may take to begin it."`
	WhenOnline   cli.Duration         `placeholder:"TIME" help:"Let it wait for hosts that are away: one with an inbox runs it when it is back within this time, instead of --start-timeout."`
	Cwd          string               `placeholder:"DIR" help:"Directory to run it in."`
	Env          []cli.Variable       `placeholder:"NAME=VALUE" sep:"none" help:"Set a variable in its environment. May be repeated."`
	SecretEnv    []cli.SecretVariable `placeholder:"NAME=@FILE" sep:"none" help:"Set a variable to a file's content, which nobody keeps: no log, no store, no journal once the job has ended. NAME=- asks for it. May be repeated."`
	Stdin        string               `placeholder:"FILE" help:"Send the file as its standard input; without it, that is empty. From the shell, - is standard input."`
	SecretStdin  string               `placeholder:"FILE" help:"Send the file as its standard input, and have nobody keep it."`
	Script       string               `placeholder:"FILE" help:"Send the file, a script or a program, and execute it."`
	Shell        string               `placeholder:"PATH" help:"Shell to run it with, instead of the host's own choice."`
	NoShell      bool                 `help:"Split the command by POSIX quoting and execute it without a shell."`
	MaxOutput    cli.Size             `default:"1MiB" placeholder:"SIZE" env:"WARREN_MAX_OUTPUT" help:"Output kept of each host and stream: the first and the last part."`
	User         string               `placeholder:"NAME" help:"User to run it as, where the host's authorized_operators lets the key (run-as) and its agent is root."`
	Check        bool                 `help:"Run nothing: ask each host whether it would, by which rule, as whom, and what exactly."`

	KillLeftovers bool `default:"false" env:"WARREN_KILL_LEFTOVERS" help:"When the command has exited, end the background processes that it leaves. Without it they go on, and the result counts them."`

	sendFlags `embed:""`

	note string // about what is sent of the script; "" is none
}

func (*runCommand) Help() string {
	return `At the prompt run prints the task's id and returns at once; the end of the task is announced before a later prompt. From the shell it waits and shows the results.

Examples:

    run "uname -a" --hosts "web[01-20] 192.168.0.23"
    run "systemctl restart nginx" --hosts web01 --timeout 5m --wait
    run --script cleanup.sh "/var/tmp" 30 --hosts "db[1-3]"
    run "apt-get -y upgrade" --timeout 1h --hosts "web[001-200]" --rollout 1,10%,100% --max-failures 2% --soak 5m
    run "systemctl restart nginx" --user root --hosts @web --check
    run uptime --hosts "@web!web07" --exclude @failed:1b4e
    run uptime --where 'role == "web" and cpus >= 8' --min-hosts 10

A job with secrets is sent by the process that has them alone: where that ends before a host has the job, it is lost, or expires. With --when-online the secrets would wait on the broker's disk for each host that is offline, so run refuses that without --store-secrets-on-broker.

With --rollout the next stage begins when each job of the last one has ended and the soak has passed. Whatever does not exit with 0 counts as failed, unreachable and lost hosts too; with more failures than are allowed no further host is told, and those that were not told are canceled, each by its name. The process that issued it drives it: where that ends, no further host is told.

Ctrl-C while it waits leaves the task running (from the shell, a rollout tells no further host); a second one within two seconds cancels it. Exit status: 0 every host exited with 0 and its output is there, or with --detach every host has the job or will find it in its inbox; 1 otherwise; 2 usage or configuration; 3 no broker.`
}

func (c *runCommand) Run(ctx context.Context, env *Env) error {
	if err := c.consistent(); err != nil {
		return err
	}
	if c.Check && (c.Detach || c.DryRun || c.WhenOnline > 0 || c.JSONL || len(c.Rollout.Parts) > 0) {
		return cli.Usage("", "--check runs nothing: it goes with neither --detach, --dry-run, --when-online, --jsonl nor --rollout")
	}
	v, err := c.view(ctx, env)
	if err != nil {
		return err
	}
	if c.WhenOnline > 0 && (len(c.SecretEnv) > 0 || c.SecretStdin != "") {
		if err := c.mayStoreSecrets(env); err != nil {
			return err
		}
	}
	fromInput := func(name string) bool { return name == "-" }
	input := slices.ContainsFunc([]string{c.Stdin, c.SecretStdin, c.Script}, fromInput)
	hostsInput := slices.ContainsFunc(c.HostsFile, fromInput)
	if input && hostsInput {
		return cli.Usage("put the hosts into a file", "standard input cannot be the hosts and something else too")
	}
	if len(c.Hosts) == 0 && len(c.HostsFile) == 0 && env.Defaults.Expr != "" {
		c.Hosts = []string{env.Defaults.Expr}
	}
	spec, err := c.spec(env.pipedInput())
	if err != nil {
		return err
	}
	if c.note != "" {
		env.Note("%s", c.note)
	}
	if spec.Hosts, err = c.ChooseHosts(ctx, env.targetEnv()); err != nil {
		return err
	}
	if !c.DryRun {
		if spec.Secret, err = c.secret(ctx, env); err != nil {
			return err
		}
	}
	if c.Check {
		return c.check(ctx, env, spec)
	}
	return c.send(ctx, env, spec, v, input || hostsInput)
}

// printTask tells that there is a task. In a file or a pipe the id is the last
// word, so that it can be parsed; a person also reads what bounds the task.
func (c *sendFlags) printTask(ctx context.Context, env *Env, task model.Task) error {
	switch {
	case c.JSONL:
		return env.printer().TaskRecords(ctx, task)
	case c.JSON:
		return env.printer().TaskDocument(ctx, task)
	}
	if env.Shell {
		_, err := fmt.Fprintln(env.IO.Out, task.ID)
		return err
	}
	bound := ""
	if env.IO.OutTerminal {
		bound = fmt.Sprintf(" (%s)", boundAndStop(&task))
	}
	_, err := fmt.Fprintf(env.IO.Out, "task on %s: %s%s\n", term.Plural(task.Hosts, "host"), task.ID, bound)
	return err
}

// boundOf is what bounds the commands of a task.
func boundOf(t *model.Task) string {
	if t.Timeout == 0 {
		return "no timeout"
	}
	return "timeout " + cli.Duration(t.Timeout).String()
}

// boundAndStop is boundOf, and how to stop what nothing bounds.
func boundAndStop(t *model.Task) string {
	if t.Timeout == 0 {
		return boundOf(t) + "; cancel " + result.ShortID(t.ID) + " stops it"
	}
	return boundOf(t)
}

// detach leaves as soon as it is known which hosts have the job.
func (c *sendFlags) detach(ctx context.Context, env *Env, task model.Task) error {
	settled := env.Session.Interruptible(ctx, func(ctx context.Context) error { return env.Engine.Settled(ctx, task.ID) })
	jobs, err := env.Store.Jobs(context.WithoutCancel(ctx), task.ID)
	if err := errors.Join(err, c.printTask(context.WithoutCancel(ctx), env, task)); err != nil {
		return err
	}
	if env.IO.ErrTerminal && !c.JSON && !c.JSONL {
		env.Note("%s", boundAndStop(&task))
	}
	var without []string
	for i := range jobs {
		if !jobs[i].Taken() {
			without = append(without, fmt.Sprintf("%s %s", jobs[i].Host, result.JobWord(&jobs[i])))
		}
	}
	switch {
	case errors.Is(settled, term.ErrInterrupted):
		return &cli.Error{Status: cli.ExitFailed, Text: "interrupted before every host had the job", Hint: "check_task " + result.ShortID(task.ID) + " shows how it stands"}
	case ctx.Err() != nil && settled != nil:
		return Stopped(task)
	case settled != nil:
		return settled
	case len(without) > 0:
		return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("not taken by %d of %s: %s", len(without), term.Plural(len(jobs), "host"), term.List(without, 10))}
	}
	return nil
}
