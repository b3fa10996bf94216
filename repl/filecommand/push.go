package filecommand

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/files"
	"warren/internal/operator/model"
	"warren/internal/windowsname"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/target"
)

// Push copies files to hosts.
type Push struct {
	target.Flags `embed:""`

	All          bool          `help:"Target every host that is online or was online within the last week, except those of --exclude."`
	Sources      []string      `arg:"" name:"src" type:"localfile" help:"Files and directories to copy. From the shell, - is standard input."`
	To           string        `required:"" placeholder:"PATH" help:"Full path on the hosts. With a slash at its end, it is a directory that the sources go into; otherwise it is the new name of the one source."`
	Mode         string        `placeholder:"OCTAL" help:"Mode of the files, such as 0644. Default: that of the source; 0644 for standard input."`
	Owner        string        `placeholder:"USER[:GROUP]" help:"Owner of the files. Default: that of the file that is replaced, or the user who writes."`
	Backup       bool          `help:"If the content of a file is replaced, keep the old file under its name with a ~ at the end."`
	Mkdir        bool          `help:"Create the directory of --to if it is missing."`
	Check        bool          `help:"Only compare: report what would be created or replaced, and write nothing."`
	Rate         cli.Size      `placeholder:"SIZE" help:"Most bytes that are sent to the broker in a second."`
	Timeout      cli.TimeLimit `default:"1h" placeholder:"TIME" help:"Time limit on each host; none means no limit."`
	StartTimeout cli.Duration  `default:"60s" placeholder:"TIME" env:"WARREN_START_TIMEOUT" help:"Time in which a host must begin. After it, the host writes nothing."`
	User         string        `placeholder:"NAME" help:"User who writes the files. The host's authorized_operators must allow it for the key (run-as), and its agent must run as root."`

	command.FanoutFlag `embed:""`
	command.SendFlags  `embed:""`
}

func (*Push) Help() string {
	return `Each file on a host is whole or untouched: the agent writes it under a temporary name, verifies its SHA-256, sets owner and mode, and renames it. The content crosses the broker once for all hosts. A host that has a file already answers same.

Examples:

    push app.conf --to /etc/app.conf --hosts @web --mode 0640 --owner root:app
    push site/ --to /srv/www --hosts "web[01-20]" --rollout 1,10%,100%
    push a.conf b.conf --to /etc/app/ --hosts web01 --check
    pg_dump app | warren push - --to /var/tmp/app.sql --mode 0600 --hosts db02

A symbolic link that you name is followed; those in a directory are copied as they are. Devices, sockets and pipes are refused. Files on the host that the source does not have stay.

Results, check_task, watch, cancel and --json are as for run. Exit code 0 means that the host has the files.`
}

// maxOutput bounds the report of a host.
const maxOutput = 1 << 20

func (c *Push) Run(ctx context.Context, env *command.Env) error {
	if err := c.Consistent(); err != nil {
		return err
	}
	v, err := c.ResultView(ctx, env)
	if err != nil {
		return err
	}
	push, err := c.push()
	if err != nil {
		return err
	}
	source, remove, err := c.scan(ctx, env)
	if hint := cli.UnexpandedHint(err, c.Sources...); hint != "" {
		return cli.Usage(hint, "%v", err)
	}
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	pushed := false
	defer func() {
		if !pushed {
			remove()
		}
	}()
	c.EveryHost = c.All
	c.SetDefault(env.Defaults.Expr)
	spec := model.Spec{
		Command: c.text(), StartTimeout: time.Duration(c.StartTimeout), Fanout: int(c.Fanout),
		Run: wire.Run{Push: push, TimeoutMS: time.Duration(c.Timeout).Milliseconds(), MaxOutput: maxOutput, User: c.User},
	}
	if err := cli.CheckLimits(&spec); err != nil {
		return err
	}
	if spec.Hosts, err = c.ChooseHosts(ctx, env.TargetEnv()); err != nil {
		return err
	}
	return c.Submit(ctx, env, spec, v, c.Sources[0] == "-", func(engine command.Engine, ctx context.Context, spec model.Spec) (model.Task, error) {
		pushed = true
		return engine.Push(ctx, spec, command.PushContent{Source: source, Rate: int64(c.Rate), Closed: remove})
	})
}

// text returns the command of the task.
func (c *Push) text() string {
	words := append([]string{"push"}, c.Sources...)
	words = append(words, "--to", c.To)
	if c.Check {
		words = append(words, "--check")
	}
	return shellquote.Join(words...)
}

// push returns what the flags say of the target.
func (c *Push) push() (*wire.Push, error) {
	if err := command.CheckRate(c.Rate); err != nil {
		return nil, err
	}
	p := &wire.Push{Path: c.To, Owner: c.Owner, Backup: c.Backup, Mkdir: c.Mkdir, CheckOnly: c.Check}
	if c.Mode != "" {
		mode, err := strconv.ParseInt(c.Mode, 8, 16)
		if err != nil || mode <= 0 || mode > 0o7777 {
			return nil, cli.Usage("--mode 0644", "--mode %s is not an octal mode", c.Mode)
		}
		p.Mode = mode
	} else if c.Sources[0] == "-" {
		p.Mode = 0o644
	}
	into := files.IsDirectoryName(c.To)
	switch {
	case !strings.HasPrefix(c.To, "/") && !windowsname.IsFull(c.To):
		return nil, cli.Usage("for example --to /etc/app/app.conf", "--to %s is not a full path", c.To)
	case len(c.Sources) > 1 && !into:
		return nil, cli.Usage("end --to with a slash", "several sources need a directory to go into")
	}
	for _, s := range c.Sources {
		if s == "-" && len(c.Sources) > 1 {
			return nil, cli.Usage("", "standard input cannot be combined with other sources")
		}
		if s == "-" && into {
			return nil, cli.Usage("give --to the name of a file", "standard input has no name")
		}
	}
	return p, nil
}

// scan reads the sources. remove removes what it has spooled.
func (c *Push) scan(ctx context.Context, env *command.Env) (source *files.Source, remove func(), err error) {
	remove = func() {}
	paths := c.Sources
	if paths[0] == "-" {
		in := env.PipedInput()
		if in == nil {
			return nil, remove, cli.Usage("name a file", "push -: standard input holds the commands")
		}
		files.SweepSpool(env.Settings.DataDir)
		spooled, err := files.Spool(in, env.Settings.DataDir)
		if err != nil {
			return nil, remove, err
		}
		paths, remove = []string{spooled}, func() { os.Remove(spooled) }
	}
	if source, err = command.Scan(ctx, env, paths, files.IsDirectoryName(c.To)); err == nil && windowsname.IsFull(c.To) {
		if err = files.CheckWindowsNames(&source.Manifest, c.To); err != nil {
			err = cli.Usage("choose a name that Windows permits", "--to %s: %v", c.To, err)
		}
	}
	if err != nil {
		remove()
	}
	return source, remove, err
}
