// Package python tests the examples in Python against the programs.
package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// python is a Python that has pika. Debian's may be hidden by another in PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import pika").Run() == nil {
			return name
		}
	}
	t.Skip("no python3 with pika: apt-get install python3-pika")
	return ""
}

func start(t *testing.T, name string, args ...string) *clitest.Process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	p, err := clitest.Start(cmd, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p
}

func wait(t *testing.T, p *clitest.Process) int {
	t.Helper()
	status, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// Each file stays short enough to be read beside docs/protocol.md.
func TestExamplesAreShort(t *testing.T) {
	const most = 300
	files, err := filepath.Glob("*.py")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %q: %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n >= most {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

func TestPythonOperatorRunsOnWarrensAgents(t *testing.T) {
	py, u, dir := python(t), rabbittest.Vhost(t), t.TempDir()
	if err := clitest.Bin(dir + "/bin"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"py1", "py2", "py3.example.com"} {
		a, err := clitest.StartAgent(dir+"/bin", u, dir, id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Kill() })
	}
	op := start(t, py, "warren_operator.py", u, clitest.Identity(), "echo out; echo err >&2; seq 20000 | tail -n 3000; exit 3", "py1", "py2", "py3.example.com", "absent")
	status := wait(t, op)
	out := op.Out.String()
	for _, want := range []string{"py1: exited 3\nout\n17001\n", "py2: exited 3\nout\n", "py3.example.com: exited 3\nout\n", "20000\n", "absent: unreachable\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%.2000s\n%s", want, out, op.Err.String())
		}
	}
	if strings.Count(out, "\n20000\n") != 3 || strings.Count(op.Err.String(), "err\n") != 3 || status != 1 {
		t.Errorf("status %d\n%.2000s\n%s", status, out, op.Err.String())
	}
	if op := start(t, py, "warren_operator.py", u, clitest.Identity(), "true", "py1"); wait(t, op) != 0 {
		t.Errorf("%s%s", op.Out.String(), op.Err.String())
	}
}

func TestPythonAgentObeysWarrensOperator(t *testing.T) {
	py, u, dir := python(t), rabbittest.Vhost(t), t.TempDir()
	if err := clitest.Bin(dir + "/bin"); err != nil {
		t.Fatal(err)
	}
	// A journal that goes back to the beginning takes jobs at once.
	if err := os.WriteFile(dir+"/journal", []byte(`{"since":-1000000}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := func() *clitest.Process {
		a := start(t, py, "warren_agent.py", u, "snake", os.Getenv("WARREND_AUTHORIZED_OPERATORS"), dir+"/journal")
		if _, err := a.Err.Await("ready", 0); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := agent()
	warren := func(args ...string) (int, string) {
		cmd := exec.Command(dir+"/bin/warren", args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "WARREN_BROKER="+u, "XDG_DATA_HOME="+dir+"/data")
		p, err := clitest.Start(cmd, false)
		if err != nil {
			t.Fatal(err)
		}
		return wait(t, p), p.Out.String() + p.Err.String()
	}
	if status, out := warren("run", "echo hello from $((40+2)); exit 5", "--hosts", "snake", "--wait"); status != 1 || !strings.Contains(out, "hello from 42") || !strings.Contains(out, "5") {
		t.Errorf("status %d\n%s", status, out)
	}
	if status, out := warren("hosts"); status != 0 || !strings.Contains(out, "snake") {
		t.Errorf("hosts: status %d\n%s", status, out)
	}
	// One agent has the name; another waits for it.
	second := start(t, py, "warren_agent.py", u, "snake", os.Getenv("WARREND_AUTHORIZED_OPERATORS"), dir+"/journal2")
	if _, err := second.Err.Await("another agent answers to this name", 0); err != nil {
		t.Fatal(err)
	}
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	// What its journal has begun is not run again.
	agent()
	if status, out := warren("run", "true", "--hosts", "snake", "--wait"); status != 0 {
		t.Errorf("after a restart: status %d\n%s", status, out)
	}
}
