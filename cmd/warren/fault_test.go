package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

// A gate is a command that tells when it has begun, counts how often, and goes
// on only when the test lets it.
type gate struct {
	t   *testing.T
	dir string
}

func newGate(t *testing.T) gate { return gate{t, t.TempDir()} }

func (g gate) command() string {
	return fmt.Sprintf("cd %s; echo once >>count-$WARREN_HOST; echo begun; until test -e open; do sleep 0.05; done; echo finished", g.dir)
}

func (g gate) open() {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, "open"), nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// begun waits until the command runs on all of these hosts.
func (g gate) begun(hosts ...string) {
	g.t.Helper()
	eventually(g.t, func() error {
		for _, h := range hosts {
			if _, err := os.Stat(filepath.Join(g.dir, "count-"+h)); err != nil {
				return err
			}
		}
		return nil
	})
}

// once fails the test where a host has not executed it exactly once.
func (g gate) once(hosts ...string) {
	g.t.Helper()
	for _, h := range hosts {
		if got, err := os.ReadFile(filepath.Join(g.dir, "count-"+h)); err != nil || string(got) != "once\n" {
			g.t.Errorf("%s: executed %d times (%v)", h, strings.Count(string(got), "once"), err)
		}
	}
}

// The broker dies in the middle of tasks and comes back: nothing is lost, and
// nothing is executed twice. Not parallel: the broker is everybody's.
func TestBrokerKilled(t *testing.T) {
	p := newPlace(t)
	node := rabbittest.Node(t)
	down := false
	t.Cleanup(func() { // last, after the agents have left
		if down {
			if err := node.Restart(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	a, _ := p.agent("a")
	b, agentB := p.agent("b")
	hosts := a + "," + b
	ends, stays, later := newGate(t), newGate(t), newGate(t)

	shell := p.start("run", ends.command(), "--hosts", hosts, "--timeout", "5m")
	prompt := p.start()
	fmt.Fprintf(prompt.In, "run %q --hosts %q --timeout 5m --wait\n", stays.command(), hosts)
	stays.begun(a, b) // so the prompt has adopted what it found, and does not adopt the next task
	task := lastWord(p.want(0, "run", later.command(), "--hosts", hosts, "--detach").out)
	for _, g := range []gate{ends, later} {
		g.begun(a, b)
	}
	down = true
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	ends.open() // it ends while nobody can be told
	await(t, &agentB.Err, `no link to the broker`)
	await(t, &prompt.Err, `^broker: connection lost .*trying again$`)

	began := time.Now() // it may take 5 s, and a busy machine as much again and more
	r := p.want(3, "run", "true", "--hosts", hosts)
	has(t, r.err, "error: no broker at", "hint: ")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to say that there is no broker", took)
	}
	r = p.want(3, "check_task", task) // what is known is shown all the same
	has(t, r.out, "running", "begun")

	// A prompt that is opened now says so, takes commands, and keeps trying.
	late := p.start()
	fmt.Fprintf(late.In, "run 'echo arrived' --hosts %q --wait\nexit\n", hosts)
	await(t, &late.Err, `^broker: cannot connect .*trying again$`)

	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	down = false
	stays.open()
	later.open()
	if status := ended(t, late); status != 0 {
		t.Errorf("the late prompt ended with %d:\n%s\n%s", status, late.Out.String(), late.Err.String())
	}
	has(t, late.Out.String(), "arrived", "done: 2 ok")
	has(t, late.Err.String(), "broker: connected")
	if status := ended(t, shell); status != 0 {
		t.Errorf("the shell's run ended with %d:\n%s\n%s", status, shell.Out.String(), shell.Err.String())
	}
	fmt.Fprintf(prompt.In, "run 'echo again' --hosts %q --wait\nexit\n", hosts)
	if status := ended(t, prompt); status != 0 {
		t.Errorf("the prompt ended with %d:\n%s\n%s", status, prompt.Out.String(), prompt.Err.String())
	}
	has(t, prompt.Err.String(), "broker: connected")
	for _, out := range []string{shell.Out.String(), prompt.Out.String(), p.want(0, "wait", task).out} {
		if n := strings.Count(out, "begun\nfinished\n"); n != 1 || !strings.Contains(out, "ok  2 hosts") {
			t.Errorf("the whole output is there %d times, want once, of 2 hosts:\n%s", n, out)
		}
	}
	ends.once(a, b)
	stays.once(a, b)
	later.once(a, b)
}

// lastWord is the id that --detach prints.
func lastWord(out string) string {
	words := strings.Fields(out)
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// The operator is killed in the middle of a task; another finds the results.
func TestOperatorKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	g := newGate(t)
	first := p.start("run", g.command(), "--hosts", a+","+b)
	g.begun(a, b)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	r := p.want(0, "tasks", "--json")
	var list struct{ Tasks []document }
	decode(t, r.out, &list)
	if len(list.Tasks) != 1 || list.Tasks[0].State != "running" {
		t.Fatalf("tasks: %s", r.out)
	}
	id := list.Tasks[0].ID
	has(t, p.want(1, "check_task", id).out, "running", "begun")
	g.open()
	eventually(t, func() error {
		if r := p.warren("check_task", id[:8]); r.status != 0 || !strings.Contains(r.out, "  ok  2 hosts  ") || !strings.Contains(r.out, "\nbegun\nfinished\n") {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	g.once(a, b)
}

// A task that was left with --detach is found by a prompt, with its results.
func TestDetachedIsFoundByAPrompt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	g := newGate(t)
	id := lastWord(p.want(0, "run", g.command(), "--hosts", a, "--detach").out)
	g.begun(a)
	prompt := p.start()
	fmt.Fprintf(prompt.In, "check_task %s\nwait %s\nexit\n", id[:6], id)
	await(t, &prompt.Out, `running, 0 of 1 ended`)
	g.open()
	status := ended(t, prompt)
	has(t, prompt.Out.String(), "begun\nfinished\n\ndone: 1 ok")
	if status != 1 { // the highest: check_task said that it is not done
		t.Errorf("status %d:\n%s", status, prompt.Err.String())
	}
	g.once(a)
}

// Several warren processes share a data directory at the same time.
func TestManyOperators(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	const n = 5
	results := make(chan result, n)
	for i := range n {
		go func() {
			results <- p.warren("run", fmt.Sprintf("echo number-%d; echo err-%d >&2", i, i), "--hosts", a+" "+b, "--json")
		}()
	}
	ids := map[string]int{}
	for range n {
		r := <-results
		var d document
		if r.status != 0 {
			t.Errorf("%s", r)
			continue
		}
		decode(t, r.out, &d)
		ids[d.ID]++
	}
	var list struct{ Tasks []document }
	decode(t, p.want(0, "tasks", "--json").out, &list)
	if len(ids) != n || len(list.Tasks) != n {
		t.Errorf("%d tasks, %d stored, want %d", len(ids), len(list.Tasks), n)
	}

	// One drives, another looks, a third cancels.
	g := newGate(t)
	driver := p.start("run", g.command(), "--hosts", a)
	g.begun(a)
	decode(t, p.want(0, "tasks", "--json", "--limit", "1").out, &list)
	id := list.Tasks[0].ID
	eventually(t, func() error {
		if r := p.warren("check_task", id); r.status != 1 || !strings.Contains(r.out, "begun") {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	waiter := p.start("wait", id)
	p.want(0, "cancel", id)
	for _, proc := range []interface {
		Wait() (int, error)
	}{driver, waiter} {
		if status, err := proc.Wait(); status != 1 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
	}
	has(t, driver.Out.String(), "canceled")
	has(t, waiter.Out.String(), "canceled")
	g.once(a)

	checkAudit(t, p, "execute_command.log", n+1, []string{a, b})
	checkAudit(t, p, "view_command.log", n+3, nil)
}

// checkAudit decodes an audit log strictly; it has at least so many lines.
func checkAudit(t *testing.T, p *place, name string, least int, hosts []string) {
	t.Helper()
	path := filepath.Join(p.data, name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("%s has mode %o", name, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < least {
		t.Errorf("%s has %d lines, want %d", name, len(lines), least)
	}
	for i, line := range lines {
		var entry struct {
			Time                    time.Time
			Operator, Task, Command string
			Hosts                   []string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v in %q", name, err, line)
		}
		if time.Since(entry.Time).Abs() > 5*time.Minute || entry.Operator == "" || len(entry.Task) != 36 || entry.Command == "" || len(entry.Hosts) == 0 {
			t.Errorf("%s, line %d: %s", name, i+1, line)
		}
		if i == 0 && hosts != nil && strings.Join(entry.Hosts, " ") != strings.Join(hosts, " ") {
			t.Errorf("%s names hosts %q", name, entry.Hosts)
		}
	}
}

// A job that waits for a worker is known to have expired when its time is up,
// not when some worker is free at last.
func TestExpiresBehindABusyWorker(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a", "--workers", "1")
	g := newGate(t)
	busy := lastWord(p.want(0, "run", g.command(), "--hosts", a, "--detach", "--timeout", "1h").out)
	g.begun(a)
	began := time.Now()
	late := p.start("run", "touch "+p.dir+"/late", "--hosts", a, "--start-timeout", "500ms")
	await(t, &late.Out, `expired`)
	if took := time.Since(began); took > clitest.Patience/4 {
		t.Errorf("that was known after %s", took)
	}
	if status := ended(t, late); status != 1 {
		t.Errorf("status %d", status)
	}
	g.open()
	p.want(0, "wait", busy)
	if _, err := os.Stat(p.dir + "/late"); err == nil {
		t.Error("it was executed all the same")
	}
}

// Who waits for another process's task takes it over when that is killed, and needed
// no broker before.
func TestWaitTakesOver(t *testing.T) {
	p := newPlace(t)
	a, _ := p.agent("a")
	g := newGate(t)
	shell := p.start("run", g.command(), "--hosts", a, "--timeout", "5m")
	g.begun(a)
	var list struct{ Tasks []document }
	decode(t, p.want(0, "tasks", "--json").out, &list)
	waits := p.start("wait", list.Tasks[0].ID)
	eventually(t, func() error {
		if leases, _ := filepath.Glob(p.data + "/drivers/*.lock"); len(leases) < 2 {
			return fmt.Errorf("leases: %q", leases)
		}
		return nil
	})
	if err := shell.Kill(); err != nil {
		t.Fatal(err)
	}
	g.open()
	if status := ended(t, waits); status != 0 {
		t.Errorf("wait ended with %d:\n%s\n%s", status, waits.Out.String(), waits.Err.String())
	}
	has(t, waits.Out.String(), "begun", "finished", "ok")
	g.once(a)
}
