package target

import (
	"bytes"
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

func TestHostsWarnsOfDisks(t *testing.T) {
	agent := func(id string, disk wire.Disk) model.Agent {
		return model.Agent{Hello: wire.Hello{Agent: id, Disk: disk}}
	}
	var out bytes.Buffer
	env := &Env{Out: term.NewConsole(term.IO{Err: &out}, false)}
	env.warnOfDisks([]model.Agent{
		agent("web01", wire.DiskFull), agent("web02", wire.DiskOK), agent("web03", wire.DiskFull), agent("db1", wire.DiskReadOnly),
	})
	want := []string{
		"warning: the disk is full on web[01,03]", "hint: make room ",
		"warning: the file system of the agent's data directory is read-only on db1", "hint: no command starts ",
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %q, want %q…", line, want[i])
		}
	}
}
