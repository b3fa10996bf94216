package setup

import (
	"warren/internal/operator/doctor"
	"warren/repl/cli"
	"warren/repl/term"
)

// Steps prints the steps of doctor, each failed step with a hint below it.
func Steps(out *term.Console, steps []doctor.Step, json bool) error {
	if json {
		return cli.WriteJSON(out.Out, map[string]any{"steps": steps, "failed": doctor.Failed(steps)})
	}
	wide := 0
	for _, s := range steps {
		wide = max(wide, term.Width(out.Lang.Text(s.Name)))
	}
	var lines []string
	for _, s := range steps {
		word := out.Lang.WordIn("check", "ok")
		if !s.OK {
			word = out.Lang.WordIn("check", "FAILED")
		}
		word = term.Pad(word, len("FAILED"))
		line := term.Pad(out.Lang.Text(s.Name), wide) + "  " + word + "  " + term.Line(out.Lang.Text(s.Detail))
		lines = append(lines, term.Wrap(line, out.Width()))
		if s.Hint != "" {
			lines = append(lines, term.Wrap(out.Lang.Sprintf("hint: %s", term.Line(s.Hint)), out.Width()))
		}
	}
	return out.Lines(lines)
}
