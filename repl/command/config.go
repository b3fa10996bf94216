package command

import (
	"context"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/repl/cli"
	"warren/repl/render"
)

// describe tells the settings as they are used.
func describe(source *config.Source, ctx *kong.Context, used cli.Settings) ([]config.Setting, error) {
	settings, err := source.Describe(ctx)
	if err != nil {
		return nil, cli.ExplainValue(err)
	}
	for i := range settings {
		switch s := &settings[i]; {
		case s.Name == "data_dir" && s.Value == "":
			s.Value = used.DataDir
		case s.Name == "groups" && s.Value == "":
			s.Value = used.Groups
		}
	}
	return settings, nil
}

type configCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

func (*configCommand) Help() string {
	return `Each setting is what its flag says, else what its environment variable says, else what the configuration file says, else its default. Passwords are not shown.

The file is TOML, ~/.config/warren/config.toml or what --config names, one setting a line:

    broker = ["amqps://operator:secret@rabbit1.example/warren", "amqps://operator:secret@rabbit2.example/warren"]
    timeout = "5m"
    confirm_above = 20`
}

func (c *configCommand) Run(_ context.Context, env *Env) error {
	if c.JSON {
		return render.WriteJSON(env.IO.Out, config.Document{File: env.Config.Source.File(), Settings: env.Config.Settings})
	}
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range env.Config.Settings {
		rows = append(rows, v.Row())
	}
	if err := env.IO.Table(rows); err != nil {
		return err
	}
	if file := env.Config.Source.File(); file == "" {
		env.Note("no configuration file is read; %s would be", env.Config.Source.Default)
	}
	return nil
}
