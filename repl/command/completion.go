package command

import (
	"context"
	"embed"

	"warren/repl/cli"
)

//go:embed completion
var completionScripts embed.FS

// Completion prints a completion function for a shell.
type Completion struct {
	Shell string `arg:"" optional:"" help:"bash, zsh or fish."`
}

func (*Completion) Help() string {
	return `Prints a shell function that completes commands, flags, host names and task ids. It takes names and ids from the data directory.

    source <(warren completion bash)       in ~/.bashrc
    source <(warren completion zsh)        in ~/.zshrc, after compinit
    warren completion fish >~/.config/fish/completions/warren.fish`
}

func (c *Completion) Run(_ context.Context, env *Env) error {
	text, err := completionScripts.ReadFile("completion/warren." + c.Shell)
	if err != nil {
		return cli.Usage("usage: completion bash, completion zsh or completion fish", "completion: %q is not a supported shell", c.Shell)
	}
	_, err = env.IO.Out.Write(text)
	return err
}
