package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit"
)

// An expectedEntry is a warning or an error that the broker may log.
type expectedEntry struct {
	text   *regexp.Regexp
	reason string
}

var expected = []expectedEntry{
	{
		regexp.MustCompile(`operation exchange\.declare caused a channel exception not_found: no exchange 'warren\.(replies|hosts|discover)' in vhost '/'`),
		"the first client of a broker looks for the exchanges, and then creates them",
	},
	{
		regexp.MustCompile(`^closing AMQP connection .* - warren \S+ \((replies|requests)\)(?s:.*)client unexpectedly closed TCP connection`),
		"the operator was killed",
	},
	{
		regexp.MustCompile(`rabbit_channel_sup_sup(?s:.*)errorContext: shutdown_error`),
		"the operator was killed: the supervisor of its channels had not ended yet",
	},
	{
		regexp.MustCompile(`(?s)^\*\* Generic server .*\{ch,.*Reason for termination ==\s+\*\* noproc|initial call: rabbit_channel:init/1.*exception exit: noproc|,rabbit_channel_sup\}.*errorContext: shutdown_error.*reason: noproc`),
		"the operator was killed: its reply queue ended before the channel that had a reply from it. If an operator closes its connection, the channel ends first",
	},
	{regexp.MustCompile(`^Message store .*: rebuilding indices from scratch`), "a new node has no index"},
	{regexp.MustCompile(`^Classic peer discovery backend: list of nodes does not contain the local node`), "the node is alone"},
	{regexp.MustCompile(`^Failed to get memory page size`), "the folder of .ci/broker has no getconf"},
}

// Warren causes no warning and no error in the broker's log, except for the expected ones:
// neither while agents and jobs run, nor when they end.
func TestBrokerLogsNoWarning(t *testing.T) {
	t.Parallel()
	node, err := rabbit.Start(t.Context(), rabbit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	})
	newPlaceAt(t, node.URL()).typicalWork()
	text, err := os.ReadFile(node.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	entries := logged(string(text))
	if len(entries) == 0 {
		t.Fatalf("no entries in the log:\n%s", text)
	}
	for _, e := range entries {
		if e.level != "info" && e.level != "notice" && e.level != "debug" && !e.expected() {
			t.Errorf("the broker logged [%s] %s", e.level, e.text)
		}
	}
}

// An entry is a message of the broker's log. It may have several lines.
type entry struct{ level, text string }

func (e entry) expected() bool {
	return slices.ContainsFunc(expected, func(x expectedEntry) bool { return x.text.MatchString(e.text) })
}

// logged returns the entries of a log. Each line of an entry begins with the time, the level
// and the process.
func logged(text string) (all []entry) {
	begin := ""
	for _, m := range regexp.MustCompile(`(?m)^(\S+ \S+ \[(\w+)\] <[\d.]+>) ?(.*)$`).FindAllStringSubmatch(text, -1) {
		if m[1] == begin {
			all[len(all)-1].text += "\n" + m[3]
			continue
		}
		begin = m[1]
		all = append(all, entry{m[2], m[3]})
	}
	return all
}

// typicalWork runs commands, copies a file in a stream and back, looks at commands, cancels one,
// sends one to an agent that is offline, restarts the agent, and kills an operator.
func (p *place) typicalWork() {
	p.t.Helper()
	host := p.prefix + "a"
	a := p.agentUntilStopped(host)
	has(p.t, p.want(0, "hosts").out, host)
	p.want(0, "doctor", "--hosts", host)
	has(p.t, p.want(0, "run", "echo hello; seq 20000", "--hosts", host).out, "done: 1 ok")

	file := filepath.Join(p.dir, "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content"), 50_000), 0o600); err != nil {
		p.t.Fatal(err)
	}
	has(p.t, p.want(0, "push", file, "--to", file+".copy", "--hosts", host).out, "created")
	p.want(0, "collect", file+".copy", "--hosts", host, "--save", filepath.Join(p.dir, "saved"))

	g := newGate(p.t)
	task := lastWord(p.want(0, "run", g.command(), "--hosts", host, "--detach").out)
	g.begun(host)
	has(p.t, p.want(1, "check_task", task).out, "running")
	p.want(0, "cancel", task)
	has(p.t, p.want(1, "wait", task).out, "1 canceled")

	if err := a.Stop(); err != nil {
		p.t.Fatal(err)
	}
	has(p.t, p.want(1, "run", "true", "--hosts", host).out, "1 unreachable")
	task = lastWord(p.want(0, "run", "echo later", "--hosts", host, "--when-online", "1h", "--detach").out)
	a = p.agentUntilStopped(host)
	has(p.t, p.want(0, "wait", task).out, "later", "done: 1 ok")

	g = newGate(p.t)
	operator := p.start("run", g.command(), "--hosts", host)
	g.begun(host)
	if err := operator.Kill(); err != nil {
		p.t.Fatal(err)
	}
	g.open()
	var list struct{ Tasks []document }
	decode(p.t, p.want(0, "tasks", "--json", "--limit", "1").out, &list)
	eventually(p.t, func() error {
		if r := p.warren("check_task", list.Tasks[0].ID); r.status != 0 || !strings.Contains(r.out, "finished") {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	if err := a.Stop(); err != nil {
		p.t.Fatal(err)
	}
}

// agentUntilStopped starts an agent with an inbox, for a test that stops it.
func (p *place) agentUntilStopped(host string) *clitest.Process {
	p.t.Helper()
	a, err := clitest.StartAgent(p.bin, p.broker, p.home, host, "--inbox")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = a.Kill() })
	return a
}
