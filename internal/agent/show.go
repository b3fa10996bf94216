package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/internal/escape"
	"warren/internal/hint"
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
		fmt.Fprintf(stderr, "error: %s\n", hint.Text(err))
		return 1
	}
	return 0
}

func printSettings(w io.Writer, settings []config.Setting) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, s := range settings {
		row := s.Row()
		if row[1] == "" {
			row[1] = "-"
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}
