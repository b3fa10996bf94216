//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
)

func (p *place) terminal(args ...string) *clitest.Terminal {
	p.t.Helper()
	return clitest.StartTerminal(p.t, p.command(args...), 200)
}

// taskOf is the id in a line.
func taskOf(t *testing.T, line string) string {
	t.Helper()
	for _, word := range strings.Fields(strings.NewReplacer(";", " ", ":", " ").Replace(line)) {
		if len(word) == 36 && strings.Count(word, "-") == 4 {
			return word
		}
	}
	t.Fatalf("no task id in %q", line)
	return ""
}

// The first Ctrl-C leaves the task running.
func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	g := newGate(t)
	term := p.terminal("run", g.command(), "--hosts", a)
	id := taskOf(t, term.Expect(`task \S+ on 1 host \(no timeout\); Ctrl-C leaves it running`))
	g.begun(a)
	term.Type(ctrlC)
	term.Expect(`detached: task ` + id + ` is still running`)
	term.Expect(`hint: warren check_task ` + id[:8])
	if status := term.End(); status != 1 {
		t.Errorf("status %d", status)
	}
	has(t, p.want(1, "check_task", id).out, "running")
	g.open()
	has(t, p.want(0, "wait", id).out, "finished", "done: 1 ok")
	g.once(a)
}

// The second cancels it.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.withoutInterruptTimeout()
	a, _ := p.agent("a")
	g := newGate(t)
	term := p.terminal("run", g.command(), "--hosts", a)
	g.begun(a)
	term.Expect(`; Ctrl-C leaves it running`)
	term.Type(ctrlC)
	id := taskOf(t, term.Expect(`detached: task \S+ is still running`))
	term.Type(ctrlC)
	term.Expect(`canceling task ` + id)
	if status := term.End(); status != 1 {
		t.Errorf("status %d", status)
	}
	has(t, p.want(1, "wait", id).out, "canceled", "begun")
}

// What a host prints cannot command the operator's terminal; what is text stays
// as it is. Through a pipe its bytes go as they came.
func TestTerminalIsNotObedient(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	command := `printf 'a\033[2J\033]0;owned\007b\r\n主机 √\n'; printf '\302\233red\n' >&2`
	term := p.terminal("run", command, "--hosts", a)
	term.Expect(`done: 1 ok`)
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
	screen := term.Screen.String()
	for _, control := range []string{"\x1b", "\a", "\u009b"} {
		if strings.Contains(screen, control) {
			t.Errorf("%q reached the terminal: %q", control, screen)
		}
	}
	has(t, screen, `a\x1b[2J\x1b]0;owned`, "主机 √")
	has(t, p.want(0, "run", command, "--hosts", a).out, "a\x1b[2J\x1b]0;owned\ab\r\n主机 √\n", "\u009bred\n")
}

// A day at the prompt.
func TestPrompt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.withoutInterruptTimeout()
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	g := newGate(t)
	term := p.terminal()
	term.Expect(`warren> `)
	term.Type(`run "` + g.command() + `" --hosts "` + a + ` ` + b + `"` + "\r")
	id := taskOf(t, term.Expect(`task on 2 hosts: \S+`)) // at once, though it runs
	term.Expect(`warren> `)
	g.begun(a, b)
	term.Type("check_task " + id[:8] + "\r")
	term.Expect(`running, 0 of 2 ended`)
	term.Expect(`warren> `)
	term.Type(" hosts expand secret[1-2]\r")
	term.Expect(`secret2`)
	term.Expect(`warren> `)
	term.Type("hosts\r")
	term.Expect(`ID +NAMES`)
	term.Expect(`warren> `)
	g.open()
	p.want(0, "wait", id)
	term.Type("\r") // the next prompt
	term.Expect(`\[` + id[:8] + `\] done: 2 ok`)
	term.Expect(`warren> `)

	// Ctrl-C while a command waits, and twice.
	h := newGate(t)
	term.Type(`run "` + h.command() + `" --hosts ` + a + " --wait\r")
	h.begun(a)
	term.Expect(`; Ctrl-C leaves it running`)
	term.Type(ctrlC)
	second := taskOf(t, term.Expect(`detached: task \S+ is still running`))
	term.Expect(`warren> `)
	term.Type(ctrlC)
	term.Expect(`canceling task ` + second)
	term.Expect(`warren> `)
	term.Type("wait " + second[:8] + "\r")
	term.Expect(`done: 1 canceled`)
	term.Expect(`warren> `)
	term.Type(ctrlD)
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}

	path := filepath.Join(p.data, "history")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("history has mode %o", mode)
	}
	history, _ := os.ReadFile(path)
	has(t, string(history), "check_task "+id[:8], "hosts\n")
	if strings.Contains(string(history), "secret") {
		t.Errorf("a line that begins with a blank was kept:\n%s", history)
	}
}

// Enter, while the broker is not there: the prompt says so at once and stays.
func TestPromptWithoutBroker(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	good := p.broker
	p.broker = "amqp://127.0.0.1:1/"
	term := p.terminal()
	term.Expect(`broker: cannot connect \(no broker at 127\.0\.0\.1:1: connection refused\), trying again`)
	term.Expect(`hint: `)
	term.Expect(`warren> `)
	term.Type("tasks\r")
	term.Expect(`no tasks yet`)
	term.Expect(`warren> `)
	term.Type(ctrlD)
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
	p.broker = strings.Replace(good, "guest:guest", "guest:hush", 1)
	term = p.terminal()
	term.Expect(`broker: cannot connect \(.*refused user "guest".*\), trying again`)
	term.Expect(`warren> `)
	term.Type("exit\r")
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
	if strings.Contains(term.Screen.String(), "hush") {
		t.Error("the screen shows the password")
	}
}
