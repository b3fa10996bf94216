package hostview

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/target"
	"warren/repl/term"
)

// screen80 is a terminal of 80 columns that writes into a buffer.
func screen80() (*term.Console, *bytes.Buffer) {
	var out bytes.Buffer
	return term.NewConsole(term.IO{Out: &out, Err: &out, OutTerminal: true, Size: func() (int, int) { return 80, 24 }}, false), &out
}

func TestPreflightShowsReasonAtEightyColumns(t *testing.T) {
	out, text := screen80()
	err := Preflight(out, []model.Check{
		{Host: "web01", Answer: &wire.Checked{WouldRun: true, Rule: "/etc/warren/authorized_operators:3 (alice)", User: "root", Cwd: "/root", Binary: "/bin/sh", Argv: []string{"/bin/sh", "-c", "uptime"}}},
		{Host: "web02", Answer: &wire.Checked{Reason: "authorized_operators:4 (alice): no permit-command matches", User: "deploy", Cwd: "/home/deploy", Argv: []string{"/bin/sh", "-c", "uptime"}}},
		{Host: "web03", Reason: "no agent answers to this name"},
	}, false)
	if err == nil {
		t.Error("no error for hosts that refuse")
	}
	for _, want := range []string{
		"web01  yes        /etc/warren/authorized_operators:3 (alice)  root",
		"web02  no         authorized_operators:4 (alice): no permit-command matches\n",
		"web03  ?          no agent answers to this name\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestHostsShowsOfflineAtEightyColumns(t *testing.T) {
	out, text := screen80()
	agents := []target.Agent{{Agent: model.Agent{Seen: time.Now().Add(-12*time.Minute - 21*time.Second), Hello: wire.Hello{
		Agent: "web01", Names: []string{"web01", "10.0.0.1", "front1", "front2", "front3"},
		Facts: wire.Facts{OS: "linux", Arch: "amd64", Version: "0.1.0", Distribution: "debian", DistributionVersion: "12", Labels: map[string]string{"role": "web", "dc": "eu"}},
	}}}}
	if err := Agents(out, agents); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(text.String(), "  -        offline, 12m21s ago\n") {
		t.Errorf("\n%s", text)
	}
}
