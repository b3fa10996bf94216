//go:build linux

package windows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// The directory with wine64, and drive C: (see .ci/windows).
const (
	envWine  = "WARREN_TEST_WINE"
	envDrive = "WARREN_TEST_WINE_DRIVE"
)

// exes builds the programs for Windows once for all tests, below the directory that
// clitest.Main removes.
var exes = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(filepath.Dir(clitest.Identity()), "exe")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", dir+"/", "warren/cmd/warren", "warren/cmd/warrend")
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// A system says where a program runs.
type system string

const (
	linux   system = "linux"
	windows system = "windows"
)

// A place is one test's operator and agent.
type place struct {
	t               *testing.T
	operator, agent system
	broker, dir     string
	host            string
	locale          string   // of programs on Windows; empty is C.UTF-8, with code page 437
	env             []string // of programs on Windows
}

func newPlace(t *testing.T, operator, agent system) *place {
	t.Helper()
	if os.Getenv(envWine) == "" {
		t.Skip("needs wine; make windows runs it")
	}
	go func() { _, _ = exes() }() // while the broker starts; command waits for it
	p := &place{t: t, operator: operator, agent: agent, broker: rabbittest.Node(t).URL(), dir: t.TempDir()}
	p.host = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	if err := clitest.Bin(p.dir + "/bin"); err != nil {
		t.Fatal(err)
	}
	return p
}

// path returns a path as a program of a system sees it. Drive Z: is the root.
func (s system) path(path string) string {
	if s == linux {
		return path
	}
	drive := "Z:"
	if rest, ok := strings.CutPrefix(path, os.Getenv(envDrive)); ok {
		drive, path = "C:", rest
	}
	return drive + strings.ReplaceAll(path, "/", `\`)
}

// agentDir makes the directory of the agent's files. For Windows it is on drive C:,
// because everyone may write some of the directories above the others.
func (p *place) agentDir() string {
	p.t.Helper()
	dir := p.dir + "/etc"
	if p.agent == windows {
		dir = filepath.Join(os.Getenv(envDrive), p.host)
	}
	line, err := os.ReadFile(os.Getenv("WARREND_AUTHORIZED_OPERATORS"))
	if err := errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(dir+"/authorized_operators", line, 0o600)); err != nil {
		p.t.Fatal(err)
	}
	return dir
}

// command returns the command that runs warren or warrend on a system.
func (p *place) command(ctx context.Context, s system, name string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.CommandContext(ctx, p.dir+"/bin/"+name, args...)
	if s == windows {
		dir, err := exes()
		if err != nil {
			p.t.Fatal(err)
		}
		cmd = exec.CommandContext(ctx, os.Getenv(envWine)+"/wine64", append([]string{filepath.Join(dir, name+".exe")}, args...)...)
		if p.locale != "" { // which sets wine's code pages
			cmd.Path = os.Getenv(envWine) + "/in-folder"
			cmd.Args = append([]string{cmd.Path, "/usr/bin/env", "LC_ALL=" + p.locale, "/usr/lib/wine/wine64"}, cmd.Args[1:]...)
		}
	}
	cmd.Dir = p.dir
	cmd.Env = append(
		os.Environ(), "HOME="+p.dir, "XDG_RUNTIME_DIR="+p.dir, "NO_COLOR=1", "XDG_CONFIG_HOME=",
		"WARREN_BROKER="+p.broker, "WARREND_BROKER="+p.broker, "WARREN_DATA_DIR="+s.path(p.dir+"/data"),
		"WARREN_IDENTITY="+s.path(clitest.Identity()),
		"WARREND_DRAIN_GRACE=1s", "WARREND_CLOCK_TOLERANCE=10ms",
	)
	if s == windows {
		cmd.Env = append(cmd.Env, p.env...)
	}
	return cmd
}

// launch starts the agent; it is killed with the test, since wine passes no signal on.
func (p *place) launch(args ...string) *clitest.Process {
	p.t.Helper()
	dir := p.agent.path(p.agentDir())
	args = append([]string{"--id", p.host, "--data-dir", dir + "/data", "--authorized-operators", dir + "/authorized_operators"}, args...)
	a, err := clitest.Start(p.command(p.t.Context(), p.agent, "warrend", args...), false)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = a.Kill() })
	return a
}

// start starts the agent and waits until it is ready.
func (p *place) start(args ...string) *clitest.Process {
	p.t.Helper()
	a := p.launch(args...)
	p.await(&a.Err, `msg=ready`)
	return a
}

func (p *place) await(text *clitest.Text, expr string) {
	p.t.Helper()
	if _, err := text.Await(expr, 0); err != nil {
		p.t.Fatal(err)
	}
}

// warren runs the operator's program with an input, and wants an exit status. It returns
// what the program printed, without carriage returns.
func (p *place) warren(status int, input string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), clitest.Patience)
	defer cancel()
	cmd := p.command(ctx, p.operator, "warren", args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	text := strings.ReplaceAll(out.String()+errs.String(), "\r", "")
	if got := cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("warren %q: status %d, want %d\n%s", args, got, status, text)
	}
	return text
}

// run runs a command on the host.
func (p *place) run(status int, args ...string) string {
	p.t.Helper()
	return p.warren(status, "", append([]string{"run", "--hosts", p.host}, args...)...)
}

// has fails the test if a part is missing.
func (p *place) has(text string, parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			p.t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// matches fails the test if a text does not match a regular expression.
func (p *place) matches(text, expr string) {
	p.t.Helper()
	if !regexp.MustCompile(expr).MatchString(text) {
		p.t.Errorf("no %s in:\n%s", expr, text)
	}
}

// write writes a file and returns its path for the operator.
func (p *place) write(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		p.t.Fatal(err)
	}
	return p.operator.path(path)
}
