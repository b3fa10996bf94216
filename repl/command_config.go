package repl

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/repl/cli"
	"warren/repl/render"
)

// configPath is the configuration file that is read where none is named, "" where
// there is no place for one.
func configPath() string { return configured("config.toml") }

// configured is the place of a file that operators write: in
// $XDG_CONFIG_HOME/warren or ~/.config/warren (XDG Base Directory Specification),
// on Windows in %AppData%\warren; "" where there is no such place.
func configured(name string) string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	switch {
	case runtime.GOOS == "windows":
		if dir = os.Getenv("AppData"); dir == "" {
			return ""
		}
	case !filepath.IsAbs(dir):
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "warren", name)
}

// describe tells the settings as they are used.
func describe(source *config.Source, ctx *kong.Context, used Settings) ([]config.Setting, error) {
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

func (c *configCommand) Run(_ context.Context, s *session) error {
	if c.JSON {
		return render.WriteJSON(s.stdio.Out, config.Document{File: s.source.File(), Settings: s.configuration})
	}
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range s.configuration {
		rows = append(rows, v.Row())
	}
	if err := s.stdio.Table(rows); err != nil {
		return err
	}
	if file := s.source.File(); file == "" {
		s.note("no configuration file is read; %s would be", s.source.Default)
	}
	return nil
}
