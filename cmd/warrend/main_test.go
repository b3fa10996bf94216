//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// A place is one test's programs, home and operator.
type place struct {
	t               *testing.T
	broker          string
	bin, home, data string
	id              string // of the agent under test
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{
		t: t, broker: rabbittest.Node(t).URL(),
		bin: dir + "/bin", home: dir, data: dir + "/operator",
		id: strings.ToLower(t.Name()),
	}
	if err := clitest.Bin(p.bin); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) agent(args ...string) *clitest.Process {
	p.t.Helper()
	a, err := clitest.StartAgent(p.bin, p.broker, p.home, p.id, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = a.Kill() })
	return a
}

// warren is an operator's command; it wants that exit status.
func (p *place) warren(want int, args ...string) (stdout string) {
	p.t.Helper()
	cmd := exec.Command(p.bin+"/warren", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "WARREN_BROKER="+p.broker, "WARREN_DATA_DIR="+p.data)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		p.t.Fatalf("warren %q: status %d, want %d\n%s\n%s", args, got, want, out.String(), errs.String())
	}
	return out.String()
}

// operator starts a warren in the background.
func (p *place) operator(args ...string) *clitest.Process {
	p.t.Helper()
	cmd := exec.Command(p.bin+"/warren", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "WARREN_BROKER="+p.broker, "WARREN_DATA_DIR="+p.data)
	proc, err := clitest.Start(cmd, false)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = proc.Kill() })
	return proc
}

func (p *place) await(text *clitest.Text, expr string) {
	p.t.Helper()
	if _, err := text.Await(expr, 0); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) eventually(try func() error) {
	p.t.Helper()
	if err := clitest.Eventually(try); err != nil {
		p.t.Fatal(err)
	}
}

// exists waits for a file that a command makes.
func (p *place) exists(name string) {
	p.t.Helper()
	p.eventually(func() error { _, err := os.Stat(filepath.Join(p.home, name)); return err })
}

func (p *place) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.home, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *place) has(text string, parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			p.t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// A configuration error ends it with status 2 and a word about what to do.
func TestConfigurationErrors(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.home + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good, bad, open := os.Getenv("WARREND_AUTHORIZED_OPERATORS"), file+".bad", file+".open"
	line, err := os.ReadFile(good)
	if err := errors.Join(err, os.WriteFile(bad, []byte("who?\n"), 0o600), os.WriteFile(open, line, 0o600), os.Chmod(open, 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"nobody trusted", []string{"--id", p.id}, []string{"error: ", "hint: put each operator's public key into ", "ssh-keygen", "--allow-unsigned"}},
		{"no such operators", []string{"--authorized-operators", file + ".none"}, []string{"error: ", file + ".none"}},
		{"operators, a bad line", []string{"--authorized-operators", bad}, []string{"error: " + bad + ":1: ", "hint: "}},
		{"operators that all may write", []string{"--authorized-operators", open}, []string{"error: others may write " + open, "mode 0666", "hint: ", "chmod go-w " + open}},
		{"no such revocations", []string{"--allow-unsigned", "--authorized-operators", good, "--revoked-operators", file + ".none"}, []string{"error: ", file + ".none"}},
		{"validity", []string{"--allow-unsigned", "--max-validity", "-1s"}, []string{"error: --max-validity"}},
		{"flag", []string{"--alow-unsigned"}, []string{"error: ", "--alow-unsigned", "hint: "}},
		{"name", []string{"--allow-unsigned", "--id", "web 01"}, []string{"error: ", `"web 01"`}},
		{"alias", []string{"--allow-unsigned", "--alias", "web$"}, []string{"error: ", `'$'`}},
		{"fleet", []string{"--authorized-operators", good, "--fleet", "Production"}, []string{`error: --fleet: "Production" is not the name of a fleet`, "a-z, 0-9 and -"}},
		{"fleet and unsigned", []string{"--allow-unsigned", "--fleet", "production"}, []string{"error: --fleet production and --allow-unsigned contradict each other", "hint: "}},
		{"workers", []string{"--allow-unsigned", "--workers", "0"}, []string{"error: --workers must be more than 0"}},
		{"URL", []string{"--allow-unsigned", "--broker", "http://guest:hush@127.0.0.1/"}, []string{"error: ", "hint: "}},
		{"data directory", []string{"--allow-unsigned", "--data-dir", file + "/data"}, []string{"error: ", file, "hint: "}},
		{"label", []string{"--allow-unsigned", "--label", "=x"}, []string{"error: ", "hint: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(p.bin+"/warrend", append([]string{"--data-dir", p.home + "/data"}, c.args...)...)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "WARREND_BROKER="+p.broker)
			if c.name == "nobody trusted" {
				cmd.Env = append(cmd.Env, "WARREND_AUTHORIZED_OPERATORS=")
			}
			a, err := clitest.Start(cmd, false)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Kill() }()
			status, err := a.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if status != 2 {
				t.Errorf("status %d, want 2", status)
			}
			for _, part := range c.want {
				if !strings.Contains(a.Err.String(), part) {
					t.Errorf("no %q in: %s", part, a.Err.String())
				}
			}
			if strings.Contains(a.Err.String(), "hush") {
				t.Errorf("it tells the password: %s", a.Err.String())
			}
		})
	}
}

// channel is a raw client's, with confirms.
func (p *place) channel() (*amqp.Channel, chan amqp.Confirmation) {
	p.t.Helper()
	conn, err := amqp.Dial(p.broker)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		p.t.Fatal(err)
	}
	return ch, ch.NotifyPublish(make(chan amqp.Confirmation, 1))
}

// publish sends the agent a message.
func (p *place) publish(ch *amqp.Channel, acks <-chan amqp.Confirmation, job string, body []byte) {
	p.t.Helper()
	m := clitest.Publishing(job, body)
	if err := ch.PublishWithContext(p.t.Context(), wire.ExchangeHosts, wire.HostKey(p.id), true, false, m); err != nil {
		p.t.Fatal(err)
	}
	select {
	case c := <-acks:
		if !c.Ack {
			p.t.Errorf("the queue refuses a message of %d bytes", len(body))
		}
	case <-time.After(clitest.Patience):
		p.t.Fatal("no confirm")
	}
}

// Anybody who reaches the broker may publish anything to the agent's queue: it
// says so in its log, executes nothing of it, lives, and works.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent()
	ch, acks := p.channel()
	evil := "touch " + p.home + "/evil"
	job, good := clitest.Request(t, p.id, evil)
	_, foreign := clitest.Request(t, "another-host", evil)
	change := func(from, to string) []byte {
		if !bytes.Contains(good, []byte(from)) {
			t.Fatalf("no %s in %s", from, good)
		}
		return bytes.Replace(bytes.Clone(good), []byte(from), []byte(to), 1)
	}
	bodies := [][]byte{
		nil,
		[]byte("not JSON"),
		[]byte(`{}`),
		[]byte(`null`),
		[]byte(strings.Repeat("[", 100_000)),
		make([]byte, wire.MaxRequest+1),
		foreign,
		change(`"v":1`, `"v":2`),
		change(`\"type\":\"run\"`, `\"type\":\"explode\"`),
		change(`{"v":1`, `{"v":1,"v":1`),
		change(`{"v":1`, `{"V":1`),
		change(`{"v":1`, `{"more":1,"v":1`),
		good[:len(good)/2],
		append(bytes.Clone(good), '}'),
	}
	for _, body := range bodies {
		p.publish(ch, acks, job, body)
	}
	p.has(p.warren(0, "run", "echo alive", "--hosts", p.id), "alive")
	p.eventually(func() error {
		if n := strings.Count(a.Err.String(), "msg=refused"); n != len(bodies) {
			return fmt.Errorf("%d of %d were logged as refused:\n%s", n, len(bodies), a.Err.String())
		}
		return nil
	})
	if _, err := os.Stat(p.home + "/evil"); err == nil {
		t.Error("a foreign message was executed")
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// The same request again, by whatever way it comes, is not executed again.
func TestRepeatedRequest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent()
	ch, acks := p.channel()
	job, body := clitest.Request(t, p.id, "echo once >>"+p.home+"/count")
	for range 20 {
		p.publish(ch, acks, job, body)
	}
	if _, err := a.Err.Await("msg=ended", 0); err != nil {
		t.Fatal(err)
	}
	p.warren(0, "run", "true", "--hosts", p.id) // behind them in the queue
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if got := p.read("count"); got != "once\n" {
		t.Errorf("executed %d times", strings.Count(got, "once"))
	}
}

// Two agents with one id: the second says so, and takes over when the first
// has gone.
func TestTwoAgentsOneID(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := p.agent("--label", "n=first")
	second, err := clitest.LaunchAgent(p.bin, p.broker, p.home+"/second", p.id, "--label", "n=second")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Kill() })
	p.await(&second.Err, `another agent answers to this id; trying again.*hint=.*the broker frees the id within 1m30s`)
	p.has(p.warren(0, "run", "echo by-$PPID", "--hosts", p.id), fmt.Sprintf("by-%d\n", first.PID()))
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	p.await(&second.Err, `msg=ready`)
	p.has(p.warren(0, "run", "echo by-$PPID", "--hosts", p.id), fmt.Sprintf("by-%d\n", second.PID()))
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}

// TERM lets what runs end, within the drain's grace time, and delivers it.
func TestTERMDrains(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent("--drain-grace", "20s")
	run := p.operator("run", "touch "+p.home+"/begun; until test -e "+p.home+"/open; do sleep 0.05; done; echo finished", "--hosts", p.id)
	p.exists("begun")
	if err := a.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(&a.Err, `msg=stopping`)
	if err := os.WriteFile(p.home+"/open", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status, err := a.Wait()
	if status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if status, err := run.Wait(); status != 0 || err != nil {
		t.Errorf("run: status %d, %v\n%s", status, err, run.Out.String())
	}
	p.has(run.Out.String(), "finished", "done: 1 ok")
}

// What does not end in that time is stopped, with all its children, and its
// operator is told how.
func TestTERMEndsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent("--drain-grace", "200ms", "--kill-grace", "200ms")
	run := p.operator("run", "trap '' TERM; (trap '' TERM; sleep 4714 & echo $! >"+p.home+"/child; wait; sleep 4715)", "--hosts", p.id, "--timeout", "1h")
	var child int
	p.eventually(func() error {
		text, err := os.ReadFile(p.home + "/child")
		if err == nil {
			_, err = fmt.Sscan(string(text), &child)
		}
		return err
	})
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if status, err := run.Wait(); status != 1 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	p.has(run.Out.String(), "interrupted", "the agent was stopped")
	p.eventually(func() error {
		if err := syscall.Kill(child, 0); err == nil {
			return fmt.Errorf("process %d is still there", child)
		}
		return nil
	})
}

// Beyond the intake a job is refused; a cancel comes through all the same.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.agent("--workers", "1", "--queue", "1", "--kill-grace", "200ms")
	long := strings.TrimSpace(p.warren(0, "run", "touch "+p.home+"/begun; sleep 4716", "--hosts", p.id, "--detach"))
	p.exists("begun")
	waits := strings.TrimSpace(p.warren(0, "run", "echo next", "--hosts", p.id, "--detach"))
	p.has(p.warren(1, "run", "echo one too many", "--hosts", p.id), "rejected", "queue full")
	p.warren(0, "cancel", long)
	p.has(p.warren(1, "wait", long), "canceled")
	p.has(p.warren(0, "wait", waits), "next")
}
