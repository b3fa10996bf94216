package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// maxBody is how many bytes of a request may go to what the command line gives
// in bulk (script and stdin, encoded). The rest of wire.MaxRequest is left to
// the command, its environment, the leaf with its path, and the signature.
const maxBody = wire.MaxRequest - 512<<10

// maxWhenOnline is as long as a broker keeps an inbox that nobody reads.
const maxWhenOnline = 30 * 24 * time.Hour

// spec makes of the flags what is to be submitted. in is where `--stdin -`
// reads, nil where there is nothing to read. The hosts are left open.
func (c *runCommand) spec(in io.Reader) (spec model.Spec, err error) {
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
		if name := v.name(); slices.ContainsFunc(spec.Run.Env, func(e string) bool { return variable(e).name() == name }) {
			return spec, usage("", "--env: %s is given twice", name)
		}
		spec.Run.Env = append(spec.Run.Env, string(v))
	}
	if err := c.command(&spec, in); err != nil {
		return spec, err
	}
	return spec, c.withinLimits(&spec)
}

// command fills in what is to be executed, in one of its three forms.
func (c *runCommand) command(spec *model.Spec, in io.Reader) error {
	run := &spec.Run
	switch {
	case c.NoShell && c.Shell != "":
		return usage("", "--shell and --no-shell contradict each other")
	case c.NoShell && c.Script != "":
		return usage("a script is executed by a shell, or by the interpreter that --shell names", "--script and --no-shell contradict each other")
	case c.Script != "":
		data, err := toSend.file("--script", c.Script, in)
		if err != nil {
			return err
		}
		script, note, err := prepareScript(c.Script, c.Shell, data)
		if err != nil {
			return err
		}
		c.note, run.Script, run.Argv = note, script, c.Words
		spec.Command = shellquote.Join(append([]string{c.Script}, c.Words...)...)
	case len(c.Words) == 0:
		return usage(`say what: run "uname -a" --hosts "web01"`, "run: no command is given")
	case len(c.Words) > 1:
		return usage(quotingHint, "run takes one command, not %d words: %s", len(c.Words), strings.Join(c.Words, " "))
	case strings.TrimSpace(c.Words[0]) == "":
		return usage(`say what: run "uname -a" --hosts "web01"`, "run: the command is empty")
	case c.NoShell:
		argv, err := splitWords(c.Words[0])
		if err != nil {
			return err
		}
		run.Argv, spec.Command = argv, c.Words[0]
	default:
		run.Command, spec.Command = c.Words[0], c.Words[0]
	}
	if c.Stdin == "" {
		return nil
	}
	data, err := toSend.file("--stdin", c.Stdin, in)
	run.Stdin = data
	return err
}

// withinLimits refuses at once what the hosts would refuse later.
func (c *runCommand) withinLimits(spec *model.Spec) error {
	run := &spec.Run
	bulk := encoded(run.Script) + encoded(run.Stdin)
	small := len(run.Command)
	for _, s := range append(run.Argv, run.Env...) {
		small += len(s)
	}
	switch {
	case len(run.Command) > wire.MaxArg:
		return usage("send it as a file, with --script", "the command has %d bytes, more than the %d that a command may have", len(run.Command), wire.MaxArg)
	case bulk > maxBody || small > 256<<10:
		return usage("copy the file to the hosts by other means, or have them fetch it",
			"the request would be too large: script and stdin may have %s together, command, arguments and environment 256.0 KiB", humanSize(maxBody*3/4))
	case time.Duration(c.WhenOnline) > maxWhenOnline:
		return usage("", "--when-online: %s is more than the %s that an inbox keeps", humanDuration(time.Duration(c.WhenOnline)), humanDuration(maxWhenOnline))
	case time.Duration(c.Timeout) > wire.MaxTimeout:
		return usage("", "--timeout: %s is more than the %s that a command may run", humanDuration(time.Duration(c.Timeout)), humanDuration(wire.MaxTimeout))
	case c.MaxOutput > wire.MaxMaxOutput:
		return usage("", "--max-output: %s is more than the %s that may be kept", humanSize(int64(c.MaxOutput)), humanSize(wire.MaxMaxOutput))
	}
	return nil
}

// encoded is the length of b in base64.
func encoded(b []byte) int { return (len(b) + 2) / 3 * 4 }

// A content is what a file is read for.
type content struct {
	most     int    // bytes
	tooLarge string // what a larger file is
	smaller  string // hint, of a larger file
	missing  string // hint, of one that cannot be opened; may be empty
}

// toSend is for what travels in a request: no more than could be sent.
var toSend = content{
	most: maxBody * 3 / 4, tooLarge: "too large to send", smaller: "copy the file to the hosts by other means, or have them fetch it",
}

// file reads a file whole; "-" is in.
func (c *content) file(flag, name string, in io.Reader) ([]byte, error) {
	from := in
	switch {
	case name == "-" && in == nil:
		return nil, usage("name a file", "%s -: standard input is where the commands come from", flag)
	case name != "-":
		f, err := os.Open(name)
		if err != nil {
			return nil, &fault{status: exitUsage, text: fmt.Sprintf("%s: %v", flag, err), hint: c.missing, err: err}
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, int64(c.most)+1))
	if err != nil {
		return nil, withStatus(exitUsage, fmt.Errorf("%s: %w", flag, err))
	}
	if len(data) > c.most {
		return nil, usage(c.smaller, "%s %s: the file is %s, the limit is %s", flag, name, c.tooLarge, humanSize(int64(c.most)))
	}
	return data, nil
}

// splitWords splits a line by POSIX quoting and expands nothing.
func splitWords(line string) ([]string, error) {
	words, err := shellquote.Split(line)
	switch {
	case err == nil:
		return words, nil
	case errors.Is(err, shellquote.UnterminatedEscapeError):
		return nil, usage(`write a backslash as \\, or within quotes`, "the line ends with a backslash")
	case errors.Is(err, shellquote.UnterminatedSingleQuoteError):
		return nil, usage(`close it, or write an apostrophe within double quotes: "it's"`, "a single quote (') is not closed")
	default:
		return nil, usage(`close it, or write it as \" within double quotes`, `a double quote (") is not closed`)
	}
}
