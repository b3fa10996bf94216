package command

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
)

// spec returns the task that the flags describe, without its hosts. `--stdin -` reads from
// in, which is nil if there is nothing to read.
func (c *Run) spec(in io.Reader) (spec model.Spec, err error) {
	spec = model.Spec{
		StartTimeout: time.Duration(c.StartTimeout),
		Fanout:       int(c.Fanout),
		Run: wire.Run{
			Shell:     c.Shell,
			TimeoutMS: time.Duration(c.Timeout).Milliseconds(),
			Cwd:       c.Cwd,
			MaxOutput: int64(c.MaxOutput),
			User:      c.User,

			KillLeftovers: c.KillLeftovers,
		},
	}
	if c.WhenOnline > 0 {
		spec.StartTimeout, spec.WhenOnline = time.Duration(c.WhenOnline), true
	}
	for _, v := range c.Env {
		if name := v.Name(); slices.ContainsFunc(spec.Run.Env, func(e string) bool { return cli.Variable(e).Name() == name }) {
			return spec, cli.Usage("", "--env: %s is given twice", name)
		}
		spec.Run.Env = append(spec.Run.Env, string(v))
	}
	if err := c.command(&spec, in); err != nil {
		return spec, err
	}
	return spec, cli.CheckLimits(&spec)
}

// command sets the command to execute, in one of its three forms.
func (c *Run) command(spec *model.Spec, in io.Reader) error {
	run := &spec.Run
	switch {
	case c.NoShell && c.Shell != "":
		return cli.Usage("", "--shell and --no-shell cannot be combined")
	case c.NoShell && c.Script != "":
		return cli.Usage("a script is executed by a shell, or by the interpreter that --shell names", "--script and --no-shell cannot be combined")
	case c.Script != "":
		data, err := cli.ToSend.Read("--script", c.Script, in)
		if err != nil {
			return err
		}
		script, note, err := cli.PrepareScript(c.Script, c.Shell, data)
		if err != nil {
			return err
		}
		c.note, run.Script, run.Argv = note, script, c.Words
		if run.Shell == "" {
			run.Shell = cli.ScriptShell(c.Script)
		}
		spec.Command = shellquote.Join(append([]string{c.Script}, c.Words...)...)
	case len(c.Words) == 0:
		return cli.Usage(`for example run "uname -a" --hosts "web01"`, "run: no command given")
	case len(c.Words) > 1:
		return cli.Usage(cli.QuotingHint, "run takes one command, not %d words: %s", len(c.Words), strings.Join(c.Words, " "))
	case strings.TrimSpace(c.Words[0]) == "":
		return cli.Usage(`for example run "uname -a" --hosts "web01"`, "run: the command is empty")
	case c.NoShell:
		argv, err := cli.SplitWords(c.Words[0])
		if err != nil {
			return err
		}
		run.Argv, spec.Command = argv, c.Words[0]
	default:
		run.Command, spec.Command = c.Words[0], c.Words[0]
	}
	if c.Stdin == "" && c.StdinEncoding != "" {
		return cli.Usage("name the file with --stdin", "--stdin-encoding has nothing to convert")
	}
	if c.Stdin == "" {
		return nil
	}
	data, err := cli.ToSend.Read("--stdin", c.Stdin, in)
	if err != nil || c.StdinEncoding == "" {
		run.Stdin = data
		return err
	}
	encoding, err := cli.FindEncoding("--stdin-encoding", c.StdinEncoding)
	if err != nil {
		return err
	}
	if run.Stdin, err = encoding.Encode(data); err != nil {
		return cli.Usage("without --stdin-encoding, the bytes are sent as they are", "--stdin %s: %v", c.Stdin, err)
	}
	return nil
}
