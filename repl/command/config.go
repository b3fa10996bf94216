package command

import (
	"context"

	"warren/internal/config"
	"warren/internal/operator/signing"
	"warren/repl/setup"
)

// Config shows the settings and their sources.
type Config struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

func (*Config) Help() string {
	return `The first of these that is set counts: the flag, the environment variable, the line of the configuration file, the default. Passwords are not shown. config also prints the SSH key that signs, and the other keys in ssh-agent and ~/.ssh.

The configuration file is the one that --config names; warren --help has its default path. It is TOML, with one setting per line:

    broker = "amqps://operator:secret@rabbit.example/warren"
    timeout = "5m"
    confirm_above = 20`
}

func (c *Config) Run(ctx context.Context, env *Env) error {
	keys := env.SigningKeys(ctx)
	file := env.Config.Source.File()
	if c.JSON {
		return setup.WriteConfig(env.IO, config.Document{File: file, Settings: env.Config.Settings}, keys)
	}
	if err := setup.Config(env.IO, env.Config.Settings, keys); err != nil {
		return err
	}
	if file == "" {
		env.Note("no configuration file; the default path is %s", env.Config.Source.Default)
	}
	return nil
}

// SigningKeys returns the key that signs, and the other keys that can be selected.
func (env *Env) SigningKeys(ctx context.Context) signing.Report {
	return signing.Describe(ctx, signing.Options{Identity: env.Settings.Identity, Fleet: env.Settings.Fleet})
}
