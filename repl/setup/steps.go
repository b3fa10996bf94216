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
		wide = max(wide, len(s.Name))
	}
	var lines []string
	for _, s := range steps {
		word := "ok    "
		if !s.OK {
			word = "FAILED"
		}
		lines = append(lines, term.Pad(s.Name, wide)+"  "+word+"  "+term.Line(s.Detail))
		if s.Hint != "" {
			lines = append(lines, "hint: "+term.Line(s.Hint))
		}
	}
	return out.Lines(lines)
}
