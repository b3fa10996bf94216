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
		// On Windows, a console may refuse colors.
		want := c.want && (c.when != ColorAuto || term.TakesColors())
		if got := bool(c.when.PaintFor(c.terminal)); got != want {
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

func TestTimeLimit(t *testing.T) {
	for text, want := range map[string]string{"none": "none", "60s": "1m", "1h30m": "1h30m", "2d": "2d"} {
		var l TimeLimit
		if err := l.UnmarshalText([]byte(text)); err != nil || l.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, l, err, want)
		}
	}
	for _, text := range []string{"", "0", "0s", "-5s", "60", "never"} {
		if err := new(TimeLimit).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
