package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/repl"
)

// envNoInterruptTimeout makes warren wait as long as necessary for the second Ctrl-C of a test.
const envNoInterruptTimeout = "TEST_NO_INTERRUPT_TIMEOUT"

func TestMain(m *testing.M) {
	if os.Getenv(envNoInterruptTimeout) != "" {
		repl.SecondInterruptTimeout = time.Hour
	}
	clitest.Main(m, nil)
}

// A place is one test's operator and agents: a data directory and a home of its
// own, on the broker that all tests of this package share. Host names keep
// tests apart, so they are prefixed with the test's name.
type place struct {
	t                    *testing.T
	broker               string
	bin, home, data, dir string
	prefix               string
	environ              []string // more variables of its warren
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return newPlaceAt(t, rabbittest.Node(t).URL())
}

// newPlaceAt returns a place on another broker.
func newPlaceAt(t *testing.T, broker string) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{
		t: t, broker: broker, dir: dir,
		bin: dir + "/bin", home: dir + "/home", data: dir + "/data",
		prefix: strings.ToLower(strings.TrimPrefix(t.Name(), "Test")) + "-",
	}
	if err := clitest.Bin(p.bin); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.home, 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// agent starts a warrend for one host and returns the host's name. It is ended
// with the test, by TERM, and must leave well.
func (p *place) agent(name string, args ...string) (host string, a *clitest.Process) {
	p.t.Helper()
	host = p.prefix + name
	a, err := clitest.StartAgent(p.bin, p.broker, p.home, host, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			p.t.Error(err)
		}
	})
	return host, a
}

func (p *place) env() []string {
	return append(append(os.Environ(), p.environ...), "LC_ALL=C.UTF-8", "HOME="+p.home, "TERM=xterm", "NO_COLOR=1", "WARREN_BROKER="+p.broker, "WARREN_DATA_DIR="+p.data, "XDG_CONFIG_HOME=", "CLUSTERSHELL_CFGDIR="+p.home,
		"WARREN_START_TIMEOUT=10m") // a busy machine may need more than a minute to start the broker again
}

func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, "warren"), args...)
	cmd.Dir, cmd.Env = p.dir, p.env()
	return cmd
}

// withoutInterruptTimeout makes each warren wait for the second Ctrl-C, which a busy machine may delay.
func (p *place) withoutInterruptTimeout() {
	p.environ = append(p.environ, envNoInterruptTimeout+"=1")
}

// A result is a finished warren.
type result struct {
	out, err string
	status   int
}

func (r result) String() string {
	return fmt.Sprintf("status %d\nstdout: %s\nstderr: %s", r.status, clip(r.out), clip(r.err))
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:2000] + "\n…\n" + s[len(s)-2000:]
	}
	return s
}

// warren runs one command of the shell form to its end.
func (p *place) warren(args ...string) result {
	p.t.Helper()
	return p.reading(nil, args...)
}

func (p *place) reading(in io.Reader, args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*clitest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "warren"), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.dir, p.env(), in, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		p.t.Fatalf("warren %q: %v\n%s", args, errors.Join(err, ctx.Err()), errs.String())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want fails the test unless the command ends with that status.
func (p *place) want(status int, args ...string) result {
	p.t.Helper()
	r := p.warren(args...)
	if r.status != status {
		p.t.Fatalf("warren %q: want status %d, got %s", args, status, r)
	}
	return r
}

// start starts warren in the background, with a pipe to write commands to.
func (p *place) start(args ...string) *clitest.Process {
	p.t.Helper()
	proc, err := clitest.Start(p.command(args...), true)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = proc.Kill() })
	return proc
}

// await waits for an expression in what a process prints.
func await(t *testing.T, text *clitest.Text, expr string) {
	t.Helper()
	if _, err := text.Await(expr, 0); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the end of a process.
func ended(t *testing.T, p *clitest.Process) int {
	t.Helper()
	status, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func eventually(t *testing.T, try func() error) {
	t.Helper()
	if err := clitest.Eventually(try); err != nil {
		t.Fatal(err)
	}
}

// has fails the test for each of the texts that is not there.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, clip(text))
		}
	}
}
