package agent

import (
	"encoding/json"
	"io"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/internal/displaywidth"
	"warren/internal/escape"
)

// showConfig prints the effective settings without passwords.
func showConfig(stdout, stderr io.Writer, source *config.Source, ctx *kong.Context, asJSON bool) int {
	settings, err := source.Describe(ctx)
	if err != nil {
		return fail(stderr, err)
	}
	if asJSON {
		err = json.NewEncoder(escape.JSONWriter(stdout)).Encode(config.Document{File: source.File(), Settings: settings})
	} else {
		err = printSettings(stdout, settings)
	}
	if err != nil {
		report(stderr, err)
		return 1
	}
	return 0
}

func printSettings(w io.Writer, settings []config.Setting) error {
	lang := language()
	rows := [][]string{{lang.Word("SETTING"), lang.Word("VALUE"), lang.Word("FROM")}}
	for _, s := range settings {
		row := s.Row()
		if row[1] == "" {
			row[1] = "-"
		}
		row[2] = lang.Word(row[2])
		rows = append(rows, row)
	}
	return displaywidth.WriteTable(w, rows)
}
