package filecommand

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/model"
	"warren/internal/windowsname"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/collected"
	"warren/repl/command"
	"warren/repl/target"
	"warren/repl/term"
)

// Collect copies files from hosts.
type Collect struct {
	target.Flags `embed:""`

	All          bool          `help:"Target every host that is online or was online within the last week, except those of --exclude."`
	Paths        []string      `arg:"" name:"path" help:"Full paths of files and directories on the hosts. The host expands the wildcards *, ? and [ ]; quote them."`
	Save         string        `type:"localfile" placeholder:"DIR" help:"Save the files below this directory, in a directory for each host. Implies --wait. Files with the same names are replaced."`
	MaxSize      cli.Size      `default:"1GiB" placeholder:"SIZE" help:"Most bytes of files of each host; at most 4GiB. If a host has more, the collect fails there, and the files before the limit are kept."`
	Timeout      cli.TimeLimit `default:"1h" placeholder:"TIME" help:"Time limit on each host; none means no limit."`
	StartTimeout cli.Duration  `default:"60s" placeholder:"TIME" env:"WARREN_START_TIMEOUT" help:"Time in which a host must begin."`
	User         string        `placeholder:"NAME" help:"User who reads the files. The host's authorized_operators must allow it for the key (run-as), and its agent must run as root."`

	command.FanoutFlag `embed:""`
	command.SendFlags  `embed:""`
}

func (*Collect) Help() string {
	return `Each file that is saved is whole: it gets its name after its SHA-256 was verified. A path that a host does not have is reported as missing and is not a failure. Of a directory, everything in it is collected, except symbolic links.

Examples:

    collect /etc/hosts --hosts @web --diff
    collect /etc/hosts "/var/log/nginx/*.log" --hosts "web[01-20]" --save logs
    collect /var/log/app --hosts @app --save logs --max-size 100MiB
    collect /etc/app.conf --hosts @app --detach
    check_task 1b4e --save conf

The last line saves what an earlier collect has received. A host sends at most half of the free space of its disk, and half of its --collect-size (warrend), after compression. What it has sent stays beside the result store until the task is removed.

Results, check_task, watch, cancel, retry and --json are as for run. Exit status: 0 every host has answered, and all files that exist were collected; 1 otherwise.`
}

const (
	// mostCollected is the largest --max-size.
	mostCollected = 4 << 30

	// archiveRoom is what an archive may have besides the content of its files, if that
	// cannot be compressed: 1 byte of 64, and the records of files.MaxEntries small files.
	archiveRoom = 64 << 20
)

// maxArchive returns the bound of the archive of files of maxSize bytes.
func maxArchive(maxSize int64) int64 { return maxSize + maxSize/64 + archiveRoom }

func (c *Collect) Run(ctx context.Context, env *command.Env) error {
	if err := c.check(); err != nil {
		return err
	}
	v, err := c.ResultView(ctx, env)
	if err != nil {
		return err
	}
	if v.Save = c.Save; v.Save != "" {
		c.Wait = true
	}
	c.EveryHost = c.All
	c.SetDefault(env.Defaults.Expr)
	spec := model.Spec{
		Command: shellquote.Join(append([]string{"collect"}, c.Paths...)...), StartTimeout: time.Duration(c.StartTimeout), Fanout: int(c.Fanout),
		Run: wire.Run{
			Collect: &wire.Collect{MaxSize: int64(c.MaxSize)}, Argv: c.Paths,
			TimeoutMS: time.Duration(c.Timeout).Milliseconds(), MaxOutput: maxArchive(int64(c.MaxSize)), User: c.User,
		},
	}
	if err := cli.CheckLimits(&spec); err != nil {
		return err
	}
	if spec.Hosts, err = c.ChooseHosts(ctx, env.TargetEnv()); err != nil {
		return err
	}
	if v.Save != "" && !c.DryRun {
		if err := collected.Prepare(v.Save); err != nil {
			return err
		}
	}
	return c.Submit(ctx, env, spec, v, false, command.Engine.Submit)
}

// check refuses flags that cannot be combined, and paths that no host can have.
func (c *Collect) check() error {
	if err := c.Consistent(); err != nil {
		return err
	}
	switch {
	case c.Save != "" && c.Detach:
		return cli.Usage("check_task ID --save DIR saves the files later", "--save and --detach cannot be combined")
	case c.Tail > 0, c.Stdout:
		return cli.Usage("", "--tail and --stdout are for the output of a command; a collect has none")
	case c.MaxSize <= 0, c.MaxSize > mostCollected:
		return cli.Usage("", "--max-size: %s is out of range: 1 B to %s", term.Size(int64(c.MaxSize)), term.Size(mostCollected))
	case len(c.Paths) > wire.MaxArgs:
		return cli.Usage("name a directory, or quote the wildcard so that the hosts expand it", "%d paths are too many: at most %d", len(c.Paths), wire.MaxArgs)
	}
	for _, p := range c.Paths {
		if err := checkPath(p); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(p string) error {
	switch {
	case p == "":
		return cli.Usage("for example collect /etc/hosts", "a path is empty")
	case strings.HasPrefix(p, "~"):
		return cli.Usage("for example /home/alice/notes", "%q is not a full path: hosts do not expand ~", p)
	case !strings.HasPrefix(p, "/") && !windowsname.IsFull(p):
		return cli.Usage("for example collect /etc/hosts", "%q is not a full path on the hosts", p)
	case windowsname.IsFull(p): // its backslashes are no escapes
		if err := windowsname.CheckPrefix(p); err != nil {
			return cli.Usage(`for example collect C:\logs\app.log`, "%v", err)
		}
		return nil
	}
	if _, err := path.Match(p, ""); err != nil {
		return cli.Usage(`a backslash before * ? [ makes it an ordinary character`, "%q: the wildcard is not complete", p)
	}
	return nil
}
