package cli

import (
	"testing"

	"warren/repl/term"
)

func TestColors(t *testing.T) {
	for _, c := range []struct {
		when     ColorWhen
		terminal bool
		noColor  string
		term     string
		want     bool
	}{
		{ColorAuto, true, "", "xterm", true},
		{ColorAuto, false, "", "xterm", false},
		{ColorAuto, true, "1", "xterm", false},
		{ColorAuto, true, "", "dumb", false},
		{colorAlways, false, "1", "dumb", true},
		{ColorNever, true, "", "xterm", false},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		if got := bool(c.when.PaintFor(c.terminal)); got != c.want {
			t.Errorf("%+v: colors %v", c, got)
		}
	}
	if got := term.Paint(true).Bad("x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("painted %q", got)
	}
	if got := term.Paint(false).Bad("x"); got != "x" {
		t.Errorf("unpainted %q", got)
	}
}
