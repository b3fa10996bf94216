package render

import (
	"bytes"
	"strings"
	"testing"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/repl/term"
)

// A line that is too long to be held back is cut between two characters, and none is lost.
func TestStreamCutsALongLineBetweenCharacters(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		console := &term.Console{IO: term.IO{OutTerminal: terminal}}
		v := &streamView{printer: &Printer{out: console}}
		o := openStream{decoder: charset.Encoding{}.NewDecoder()}
		job := &model.Job{Host: "web01"}
		text := "x" + strings.Repeat("é", longestLine)
		var out bytes.Buffer
		for at := 0; at < len(text); at += 1000 {
			v.text(&out, job, '|', &o, []byte(text[at:min(at+1000, len(text))]))
		}
		v.rest(&out, job, '|', &o)
		var shown strings.Builder
		for line := range strings.Lines(out.String()) {
			_, part, _ := strings.Cut(line, " | ")
			shown.WriteString(strings.TrimSuffix(part, "\n"))
		}
		if got := shown.String(); got != text {
			t.Errorf("terminal %v: %d bytes are shown, want %d: … %q", terminal, len(got), len(text), got[max(0, len(got)-40):])
		}
	}
}
