package hostview

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/target"
	"warren/repl/term"
)

// selection has the hosts of words such as "web01" (online) and "-web02" (offline).
func selection(words string, silent ...string) target.Selection {
	s := target.Selection{Silent: silent}
	for word := range strings.FieldsSeq(words) {
		id, offline := strings.CutPrefix(word, "-")
		s.Agents = append(s.Agents, target.Agent{
			Agent:   model.Agent{Seen: time.Now(), Hello: wire.Hello{Agent: id, Names: []string{id}, Facts: wire.Facts{OS: "linux", Arch: "amd64"}}},
			Answers: !offline,
		})
	}
	return s
}

func TestChangesArePrinted(t *testing.T) {
	var out bytes.Buffer
	c := &changeView{out: term.NewConsole(term.IO{Out: &out, Err: &out}, false)}
	now := time.Unix(0, 0)
	for _, step := range []struct {
		s    target.Selection
		want string
	}{
		{selection("web01 web02", "db1"), "db1 offline,web01 online,web02 online"},
		{selection("web01 web02", "db1"), ""},
		{selection("web01 -web02 db1"), "db1 online,web02 offline"},
		{selection("web01 -web02 db1"), ""},
		{selection("web02 db1 new\x1b[2J"), `new\x1b[2J online,web01 deselected,web02 online`},
	} {
		out.Reset()
		if err := c.show(step.s, now); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.TrimSuffix(strings.ReplaceAll(out.String(), "\n", ","), ","), "1970-01-01T00:00:00Z ", "")
		if got != step.want {
			t.Errorf("%q, want %q", got, step.want)
		}
	}
}

func TestTableFitsTheScreen(t *testing.T) {
	var words []string
	for i := range 50 {
		words = append(words, fmt.Sprintf("web%02d", i))
	}
	words[40] = "-web40"
	for _, size := range []struct{ columns, rows int }{{80, 24}, {20, 10}, {200, 60}, {1, 1}, {5, 3}, {0, 0}} {
		v := &tableView{out: term.NewConsole(term.IO{}, false), shown: true, selected: selection(strings.Join(words, " "), "db1"), problem: "the broker does not answer"}
		columns, rows := max(size.columns, 2), max(size.rows, 2)
		lines := v.frame(columns, rows)
		if len(lines) > rows-1 {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		text := ""
		for _, line := range lines {
			if term.Width(line.Plain) >= columns {
				t.Errorf("%v: %q is too wide", size, line.Plain)
			}
			text += line.Plain + "\n"
		}
		if columns >= 80 && (!strings.Contains(text, "49 online, 2 offline") || !strings.Contains(text, "web40") || !strings.Contains(text, "no agent answers to db1") ||
			!strings.Contains(text, "the broker does not answer") || rows < 50 != strings.Contains(text, " more")) {
			t.Errorf("%v:\n%s", size, text)
		}
	}
}
