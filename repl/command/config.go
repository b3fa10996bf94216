package command

import (
	"context"

	"warren/internal/config"
	"warren/repl/cli"
)

type configCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

func (*configCommand) Help() string {
	return `The first of these that is set counts: the flag, the environment variable, the line of the configuration file, the default. Passwords are not shown.

The configuration file is ~/.config/warren/config.toml, or the file that --config names. It is TOML, with one setting per line:

    broker = ["amqps://operator:secret@rabbit1.example/warren", "amqps://operator:secret@rabbit2.example/warren"]
    timeout = "5m"
    confirm_above = 20`
}

func (c *configCommand) Run(_ context.Context, env *Env) error {
	if c.JSON {
		return cli.WriteJSON(env.IO.Out, config.Document{File: env.Config.Source.File(), Settings: env.Config.Settings})
	}
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range env.Config.Settings {
		rows = append(rows, v.Row())
	}
	if err := env.IO.Table(rows); err != nil {
		return err
	}
	if file := env.Config.Source.File(); file == "" {
		env.Note("no configuration file; the default path is %s", env.Config.Source.Default)
	}
	return nil
}
