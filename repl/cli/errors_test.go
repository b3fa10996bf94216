package cli

import (
	"strings"
	"testing"

	"warren/internal/hint"
	"warren/repl/term"
)

func TestReportShowsControlSequencesOfErrors(t *testing.T) {
	var out strings.Builder
	status := Report(term.NewConsole(term.IO{Err: &out}, false), WithStatus(ExitNoBroker, hint.Errorf("do\x07 this", "%w", hint.New("bad \x1b[2J\nthing", "or that"))))
	if want := "error: bad \\x1b[2J\\nthing\nhint: do\\x07 this\nhint: or that\n"; out.String() != want || status != ExitNoBroker {
		t.Errorf("%d, %q", status, out.String())
	}
}
