package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/target"
	"warren/repl/term"
)

// Run runs a command on hosts.
type Run struct {
	target.Flags `embed:""`

	All           bool                 `help:"Target every host that is online or was online within the last week, except those of --exclude."`
	Words         []string             `arg:"" optional:"" name:"command" help:"The command, as one word in quotes. With --script, the arguments of the script."`
	Timeout       cli.TimeLimit        `default:"none" placeholder:"TIME" env:"WARREN_TIMEOUT" help:"Time limit of the command. At the limit, the host stops the command; none means no limit."`
	StartTimeout  cli.Duration         `default:"60s" placeholder:"TIME" env:"WARREN_START_TIMEOUT" help:"Time in which a host must start the command. After it, the command never runs there."`
	WhenOnline    cli.Duration         `placeholder:"TIME" help:"Instead of --start-timeout: let hosts that are offline and have an inbox run the command when they are back within this time."`
	Cwd           string               `placeholder:"DIR" help:"Working directory of the command."`
	Env           []cli.Variable       `placeholder:"NAME=VALUE" sep:"none" help:"Set an environment variable of the command. May be repeated."`
	SecretEnv     []cli.SecretVariable `placeholder:"NAME=@FILE" sep:"none" help:"Set an environment variable of the command to the content of a file, without the last newline. Warren stores the value in no log, result store or journal. NAME=- asks for the value. May be repeated."`
	Stdin         string               `type:"localfile" placeholder:"FILE" help:"Send the file as the standard input of the command. From the shell, - is standard input. Default: empty."`
	StdinEncoding string               `placeholder:"NAME" help:"Convert the text of --stdin from UTF-8 to this encoding, such as gbk for programs on a Chinese Windows. Default: send the bytes as they are."`
	SecretStdin   string               `type:"localfile" placeholder:"FILE" help:"Send the file as the standard input of the command. Warren stores it in no log, result store or journal."`
	Script        string               `type:"localfile" placeholder:"FILE" help:"Send the file, a script or a program, and execute it on the hosts."`
	Shell         string               `placeholder:"PATH" help:"Shell that runs the command, instead of the default of the host."`
	NoShell       bool                 `help:"Split the command by POSIX quoting and execute it without a shell."`
	MaxOutput     cli.Size             `default:"1MiB" placeholder:"SIZE" env:"WARREN_MAX_OUTPUT" help:"Size limit of each output stream of each host. Of larger output, the host keeps the first and the last half of this size."`
	User          string               `placeholder:"NAME" help:"User that runs the command. The host's authorized_operators must allow it for the key (run-as), and its agent must run as root."`
	Check         bool                 `help:"Run nothing: ask each host whether it would run the command, by which rule, and as which user."`

	KillLeftovers bool `default:"false" env:"WARREN_KILL_LEFTOVERS" help:"Kill the background processes that are left when the command exits. By default they continue, and the result counts them."`

	StoreSecretsFlag `embed:""`
	FanoutFlag       `embed:""`
	SendFlags        `embed:""`

	note string // about what is sent of the script; "" is none
}

func (*Run) Help() string {
	return `At the prompt, run prints the task's id and returns at once; a later prompt announces the end of the task. From the shell, run waits and shows the results.

Examples:

    run "uname -a" --hosts "web[01-20] 192.168.0.23"
    run "systemctl restart nginx" --hosts web01 --timeout 5m --wait
    run --script cleanup.sh "/var/tmp" 30 --hosts "db[1-3]"
    run "apt-get -y upgrade" --hosts @web --rollout 1,10%,100% --max-failures 2%
    run "systemctl restart nginx" --user root --hosts @web --check
    run uptime --hosts "@web!web07" --exclude @failed:1b4e
    run uptime --where 'role == "web" and cpus >= 8' --min-hosts 10

Only the process that started a task has its secrets. If that process ends before a host has the job, the job expires or becomes lost. With --when-online, the broker would store the secrets on its disk for each offline host. run refuses this unless you add --store-secrets-on-broker.

With --rollout, the next stage starts when each job of the stage before has an outcome and the soak time has passed. Every result except exit code 0 is a failure; unreachable and lost are failures, too. If more jobs fail than --max-failures allows, the rollout stops, and the jobs that were not sent are canceled; with --on-failure pause, the rollout waits for resume. A rollout is also paused when its process ends before the rollout does. With --verify, Warren runs another command on the hosts of each stage after the soak time; a host on which it fails counts as a failure.

Ctrl-C leaves the task running, but from the shell it stops a rollout. A second Ctrl-C within two seconds cancels the task.

Exit status: 0 every host exited with 0 and no output is missing, or with --detach every host has the job or has it in its inbox; 1 otherwise; 2 usage or configuration; 3 no broker. In the plain report, output beyond --max-output does not count as missing.`
}

func (c *Run) Run(ctx context.Context, env *Env) error {
	if err := c.Consistent(); err != nil {
		return err
	}
	if c.Check && (c.Detach || c.DryRun || c.WhenOnline > 0 || c.JSONL || len(c.Rollout.Parts) > 0) {
		return cli.Usage("", "--check cannot be combined with --detach, --dry-run, --when-online, --jsonl or --rollout")
	}
	if c.Check && (c.showsResults() || c.MaxFailures.Set || c.OnFailure != "" || c.Soak > 0 || c.Verify != "" || c.VerifyTimeout > 0) {
		return cli.Usage("it runs nothing, so there are neither results nor failures", "--check cannot be combined with flags that say how to send a task or show its results")
	}
	v, err := c.ResultView(ctx, env)
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
		return cli.Usage("name the hosts in a file", "standard input is used for the hosts and for something else")
	}
	c.EveryHost = c.All
	c.SetDefault(env.Defaults.Expr)
	spec, err := c.spec(env.PipedInput())
	if err != nil {
		return err
	}
	if c.note != "" {
		env.Note("%s", c.note)
	}
	if spec.Hosts, err = c.ChooseHosts(ctx, env.TargetEnv()); err != nil {
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
	return c.Submit(ctx, env, spec, v, input || hostsInput, Engine.Submit)
}

// printTask prints the new task's id. In a file or a pipe the id is the last word, so that
// scripts can parse it; on a terminal the line also has the task's limits.
func (c *SendFlags) printTask(ctx context.Context, env *Env, task model.Task) error {
	if c.JSON || c.JSONL {
		return printDocument(ctx, env, task, c.JSONL)
	}
	if env.Shell {
		_, err := fmt.Fprintln(env.IO.Out, task.ID)
		return err
	}
	hosts := term.Plural(task.Hosts, "host")
	if env.IO.OutTerminal {
		line := env.IO.Lang.Sprintf("task on %s: %s (%s)", hosts, task.ID, render.LimitAndStop(&task))
		return env.IO.Lines([]string{term.Wrap(line, env.IO.Width())})
	}
	return env.IO.Lines([]string{env.IO.Lang.Sprintf("task on %s: %s", hosts, task.ID)})
}

// detach leaves as soon as it is known which hosts have the job.
func (c *SendFlags) detach(ctx context.Context, env *Env, task model.Task) error {
	settled := env.Session.Interruptible(ctx, func(ctx context.Context) error { return env.Engine.Settled(ctx, task.ID) })
	jobs, err := env.Store.Jobs(context.WithoutCancel(ctx), task.ID)
	if err := errors.Join(err, c.printTask(context.WithoutCancel(ctx), env, task)); err != nil {
		return err
	}
	printed := !env.Shell && env.IO.OutTerminal // by printTask
	if env.IO.ErrTerminal && !printed && !c.JSON && !c.JSONL {
		env.Note("%s", render.LimitAndStop(&task))
	}
	var without []string
	for i := range jobs {
		if !jobs[i].Taken() {
			without = append(without, fmt.Sprintf("%s %s", jobs[i].Host, result.JobWord(&jobs[i])))
		}
	}
	switch {
	case errors.Is(settled, term.ErrInterrupted):
		return &cli.Error{Status: cli.ExitFailed, Text: "interrupted before every host had the job", Hint: "check_task " + result.ShortID(task.ID) + " shows its state"}
	case ctx.Err() != nil && settled != nil:
		return cli.Stopped(task)
	case settled != nil:
		return settled
	case len(without) > 0:
		return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("%d of %s did not take the job: %s", len(without), term.Plural(len(jobs), "host"), term.List(without, 10))}
	}
	return nil
}
