package setup

import (
	"warren/repl/cli"
	"warren/repl/term"
)

// Findings prints what else uses a virtual host.
func Findings(out *term.Console, vhost string, findings []string, json bool) error {
	if json {
		return cli.WriteJSON(out.Out, map[string]any{"vhost": vhost, "findings": findings})
	}
	if len(findings) == 0 {
		_, err := out.Lang.Fprintf(out.Out, "virtual host %s is used by Warren only\n", term.Line(vhost))
		return err
	}
	for i, text := range findings {
		findings[i] = out.Lang.Text(text)
	}
	return out.Lines(term.EscapeLines(findings))
}
