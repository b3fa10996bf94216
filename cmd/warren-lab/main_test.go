//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"warren/internal/testlab/bench/floor"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, map[string]func() int{"warren-lab": run, "warren-floor": func() int { return floor.Main(os.Args[1:]) }})
}

// markEnv is in the environment of a laboratory and of all that it starts.
const markEnv = "WARREN_LAB_TEST_MARK"

// A place is where one laboratory runs.
type place struct {
	t              *testing.T
	bin, tmp, mark string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, mark: uuid.NewString()}
	// Short: the path of a Unix socket has a limit.
	var err error
	if p.tmp, err = os.MkdirTemp("", "lab"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(p.tmp) })
	p.bin = t.TempDir() + "/bin"
	if err := clitest.Bin(p.bin, "warren-lab", "warren-floor"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) start(program string, env []string, args ...string) *clitest.Process {
	p.t.Helper()
	cmd := exec.Command(p.bin+"/"+program, args...)
	cmd.Env = append(os.Environ(), "PATH="+p.bin+":"+os.Getenv("PATH"), "TMPDIR="+p.tmp, markEnv+"="+p.mark)
	cmd.Env = append(cmd.Env, env...)
	proc, err := clitest.Start(cmd, true)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = proc.Kill() })
	return proc
}

// foreign is the environment of somebody whose own configuration is for another
// broker, in the files that the programs would read.
func (p *place) foreign() []string {
	p.t.Helper()
	dir := p.t.TempDir()
	if err := os.Mkdir(dir+"/warren", 0o700); err != nil {
		p.t.Fatal(err)
	}
	const other = "broker = \"amqp://other@127.0.0.1:1/other\"\nbroker_password_file = \"/nowhere/password\"\nbroker_ca = \"/nowhere/ca\"\n"
	for file, text := range map[string]string{
		"/warren/config.toml": other + "identity = \"/nowhere/key\"\ndata_dir = \"/nowhere/data\"\n",
		"/warrend.toml":       other + "id = \"other\"\nauthorized_operators = \"/nowhere/operators\"\n",
	} {
		if err := os.WriteFile(dir+file, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return []string{"XDG_CONFIG_HOME=" + dir, "WARREND_CONFIG=" + dir + "/warrend.toml"}
}

func (p *place) wait(proc *clitest.Process, want int) {
	p.t.Helper()
	status, err := proc.Wait()
	if err != nil {
		p.t.Fatal(err)
	}
	if status != want {
		p.t.Errorf("status %d, want %d:\n%s\n%s", status, want, proc.Out.String(), proc.Err.String())
	}
}

// nothingIsLeft fails the test where a process or a file outlived the laboratory.
func (p *place) nothingIsLeft() {
	p.t.Helper()
	if left, err := os.ReadDir(p.tmp); err != nil || len(left) > 0 {
		p.t.Errorf("left in the temporary directory: %v %v", left, err)
	}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ") // none but on Linux
	for _, path := range environs {
		env, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(env), markEnv+"="+p.mark) {
			cmdline, _ := os.ReadFile(filepath.Dir(path) + "/cmdline")
			p.t.Errorf("a process is left: %q", cmdline)
		}
	}
}

func (p *place) has(text string, parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			p.t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// What `make demo` does with a pipe: its own broker, agents that are processes,
// the lines that it reads, and nothing left behind.
func TestLinesOnAPipe(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	l := p.start("warren-lab", p.foreign(), "--hosts", "web[01-03]")
	fmt.Fprint(l.In, "run \"echo on $WARREN_HOST\" --hosts @web --wait\nhosts\nexit\n")
	if _, err := l.Err.Await(`^ready: web\[01-03\]$`, 0); err != nil {
		t.Fatal(err)
	}
	p.wait(l, 0)
	p.has(l.Out.String(), "on web01\n", "on web02\n", "on web03\n", "done: 3 ok", "ID     NAMES")
	p.nothingIsLeft()
}

// --serve prints how to connect, and ends by Ctrl-C.
func TestServe(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	l := p.start("warren-lab", nil, "--hosts", "serve-[1-20]", "--in-process", "--broker", rabbittest.Node(t).URL(), "--serve")
	if _, err := l.Err.Await(`^Ctrl-C ends it$`, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Out.Await(`^export WARREN_DATA_DIR=`, 0); err != nil { // standard output comes by a pipe of its own
		t.Fatal(err)
	}
	var env []string
	for _, set := range regexp.MustCompile(`(?m)^export (\w+=\S+)$`).FindAllStringSubmatch(l.Out.String(), -1) {
		env = append(env, set[1])
	}
	if len(env) != 5 {
		t.Fatalf("settings: %s", l.Out.String())
	}
	w := p.start("warren", append(p.foreign(), env...), "run", "true", "--hosts", "@serve")
	p.wait(w, 0)
	p.has(w.Out.String(), "done: 20 ok")
	if err := l.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.wait(l, 0)
	p.nothingIsLeft()
}

// A start that is interrupted leaves nothing either, nor does one that fails.
func TestStartThatDoesNotSucceed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	l := p.start("warren-lab", nil, "--hosts", "web[01-02]", "--serve")
	if _, err := l.Err.Await(`^starting a private RabbitMQ and 2 agents`, 0); err != nil {
		t.Fatal(err)
	}
	if err := clitest.Eventually(func() error { // the node is being started
		if made, _ := filepath.Glob(p.tmp + "/*"); len(made) < 2 {
			return fmt.Errorf("only %q", made)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status, err := l.Wait(); status == 0 || err != nil {
		t.Errorf("status %d, %v: %s", status, err, l.Err.String())
	}
	p.nothingIsLeft()

	for _, args := range [][]string{
		{"--hosts", "web[01-"},
		{"--hosts", "web01", "--broker", "http://127.0.0.1/", "--in-process"},
	} {
		l := p.start("warren-lab", nil, args...)
		if status, err := l.Wait(); status == 0 || err != nil {
			t.Errorf("%q: status %d, %v", args, status, err)
		}
		p.has(l.Err.String(), "error: ", "\nhint: ")
		p.nothingIsLeft()
	}
}
