package hostview

import (
	"fmt"
	"io"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/term"
)

// Preflight prints the answers to a preflight. It returns an error if some hosts would not run
// the command.
func Preflight(out *term.Console, checks []model.Check, json bool) (err error) {
	if json {
		err = writeChecks(out.Out, checks)
	} else {
		err = printChecks(out, checks)
	}
	refused := 0
	for i := range checks {
		if checks[i].Answer == nil || !checks[i].Answer.WouldRun {
			refused++
		}
	}
	if err != nil || refused == 0 {
		return err
	}
	return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("%d of %s would not run it or did not answer", refused, term.Plural(len(checks), "host"))}
}

// printChecks prints a table. On a terminal the reason of a host that refuses takes the rest of the row.
func printChecks(out *term.Console, checks []model.Check) error {
	rows := [][]string{{"HOST", "WOULD RUN", "RULE OR REASON", "USER", "DIRECTORY", "BINARY", "COMMAND"}}
	for i := range checks {
		h, a := checks[i].Host, checks[i].Answer
		switch {
		case a == nil:
			rows = append(rows, []string{h, "?", out.Lang.Text(checks[i].Reason)})
		case !a.WouldRun && out.OutTerminal:
			rows = append(rows, []string{h, out.Lang.Word("no"), out.Lang.Text(a.Reason)})
		case !a.WouldRun:
			rows = append(rows, []string{h, out.Lang.Word("no"), out.Lang.Text(a.Reason), a.User, a.Cwd, "", shellquote.Join(a.Argv...)})
		default:
			rows = append(rows, []string{h, out.Lang.Word("yes"), a.Rule, a.User, a.Cwd, a.Binary, shellquote.Join(a.Argv...)})
		}
	}
	return out.Table(rows, 1, 2)
}

// A checkDocument is a host's answer in JSON. What is not known is null.
type checkDocument struct {
	Host     string    `json:"host"`
	Agent    *string   `json:"agent"`
	WouldRun *bool     `json:"would_run"`
	Reason   *string   `json:"reason"`
	Rule     *string   `json:"rule"`
	User     *string   `json:"user"`
	Argv     *[]string `json:"argv"`
	Binary   *string   `json:"binary"`
	Cwd      *string   `json:"cwd"`
}

// writeChecks writes a JSON document.
func writeChecks(w io.Writer, checks []model.Check) error {
	list := make([]checkDocument, len(checks))
	for i := range checks {
		d := checkDocument{Host: checks[i].Host, Reason: cli.PtrOrNil(checks[i].Reason)}
		if a := checks[i].Answer; a != nil {
			d.Agent, d.WouldRun, d.Reason, d.Rule = cli.PtrOrNil(a.Agent), &a.WouldRun, cli.PtrOrNil(a.Reason), cli.PtrOrNil(a.Rule)
			d.User, d.Binary, d.Cwd = cli.PtrOrNil(a.User), cli.PtrOrNil(a.Binary), cli.PtrOrNil(a.Cwd)
			if a.Argv != nil {
				d.Argv = &a.Argv
			}
		}
		list[i] = d
	}
	return cli.WriteJSON(w, map[string]any{"checks": list})
}
