package command

import (
	"context"
	"errors"

	"github.com/kballard/go-shellquote"

	"warren/internal/files"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// resend reads the sources of an earlier push again. It returns the function that submits
// the push, and clears what describes the earlier content.
func (c *Retry) resend(ctx context.Context, env *Env, spec *model.Spec) (submit func(Engine, context.Context, model.Spec) (model.Task, error), err error) {
	if err := CheckRate(c.Rate); err != nil {
		return nil, err
	}
	switch {
	case len(c.SecretEnv) > 0 || c.SecretStdin != "":
		return nil, cli.Usage("", "retry: the task had no secret")
	case spec.WhenOnline:
		return nil, cli.Usage("", "retry: a push cannot wait for offline hosts")
	}
	words, err := shellquote.Split(spec.Command) // of Push: push SRC… --to PATH [--check]
	if n := len(words) - 1; n > 0 && spec.Run.Push.CheckOnly && words[n] == "--check" {
		words = words[:n]
	}
	if err != nil || len(words) < 4 {
		return nil, errors.Join(errors.New("the sources of the push are not known"), err)
	}
	p, sources := *spec.Run.Push, words[1:len(words)-2]
	if sources[0] == "-" {
		return nil, cli.Usage("push again: hosts that have the file answer same", "retry: the push came from standard input, which is not stored")
	}
	source, err := Scan(ctx, env, sources, files.IsDirectoryName(p.Path))
	if errors.As(err, new(*cli.Error)) || errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		return nil, cli.Usage("run retry in the directory of the push, or push again", "retry: %v", err)
	}
	if err := source.Compare(p.Manifest, p.Digest); err != nil {
		return nil, cli.Usage("push again: hosts that have the files answer same", "retry: %v", err)
	}
	spec.Run.Push, spec.Run.SecretHash = &wire.Push{Path: p.Path, Mode: p.Mode, Owner: p.Owner, Backup: p.Backup, Mkdir: p.Mkdir, CheckOnly: p.CheckOnly, Within: p.Within}, nil
	return func(engine Engine, ctx context.Context, spec model.Spec) (model.Task, error) {
		return engine.Push(ctx, spec, PushContent{Source: source, Rate: int64(c.Rate)})
	}, nil
}

// Scan reads the sources of a push. Ctrl-C ends that, and the command.
func Scan(ctx context.Context, env *Env, paths []string, into bool) (source *files.Source, err error) {
	err = env.Session.Interruptible(ctx, func(ctx context.Context) (err error) {
		source, err = files.Scan(ctx, paths, into)
		return err
	})
	if errors.Is(err, term.ErrInterrupted) {
		env.Note("nothing was sent")
		return nil, cli.ExitWith(cli.ExitFailed)
	}
	return source, err
}

// minRate leaves no host waiting for a chunk for too long.
const minRate = 16 << 10

// CheckRate checks the rate of a push; 0 is no limit.
func CheckRate(rate cli.Size) error {
	if rate > 0 && rate < minRate {
		return cli.Usage("hosts wait two minutes for each chunk of 128 KiB", "--rate must be 16 KiB or more")
	}
	return nil
}
