//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
)

// A manager is a service manager's notification socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager makes the agents that start from now on notify it. Its path is short, since that
// of a socket is limited.
func newManager(t *testing.T, watchdog string) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdog)
	return &manager{t, conn}
}

// next returns the next message; empty if none comes within this time.
func (m *manager) next(within time.Duration) string {
	m.t.Helper()
	b := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

// await skips messages until one begins with start.
func (m *manager) await(start string) {
	m.t.Helper()
	for deadline := time.Now().Add(clitest.Patience); time.Now().Before(deadline); {
		if strings.HasPrefix(m.next(time.Until(deadline)), start) {
			return
		}
	}
	m.t.Fatalf("no %s", start)
}

// agentStatus runs warrend status, and returns what it prints and its exit status.
func (p *place) agentStatus(args ...string) (out string, status int) {
	p.t.Helper()
	cmd := exec.Command(p.bin+"/warrend", append([]string{"status", "--config=", "--data-dir", p.home + "/agent-" + p.id}, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// shortHome moves the agents' data directories to a short path.
func (p *place) shortHome() {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { os.RemoveAll(dir) })
	p.home = dir
}

// An agent is ready once it holds its id, and not before.
func TestReadyMeansThatTheIDIsHeld(t *testing.T) {
	p := newPlace(t)
	p.shortHome()
	first := p.agent()
	m := newManager(t, "200000")
	second, err := clitest.LaunchAgent(p.bin, p.broker, p.home+"/second", p.id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Kill() })
	p.await(&second.Err, `another agent answers to this id`)
	for range 20 {
		if text := m.next(clitest.Patience); strings.Contains(text, "READY=1") {
			t.Fatalf("ready without the id: %q", text)
		}
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	m.await("READY=1\nSTATUS=connected to amqp://")
	if err := second.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.await("RELOADING=1\nMONOTONIC_USEC=")
	m.await("READY=1")
	if err := second.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await("STOPPING=1")
	if status, err := second.Wait(); status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}

// The service manager restarts an agent that is stuck, as this test does when no WATCHDOG=1
// comes. The job that ran is interrupted then.
func TestStuckAgentIsRestartedByItsWatchdog(t *testing.T) {
	p := newPlace(t)
	p.shortHome()
	m := newManager(t, "200000")
	a := p.agent()
	task := strings.TrimSpace(p.warren(0, "run", "touch "+p.home+"/begun; sleep 600", "--hosts", p.id, "--detach"))
	p.exists("begun")
	m.await("WATCHDOG=1")
	if err := a.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for n := 0; m.next(2*time.Second) != ""; n++ { // until ten times the watchdog's time passes without a message
		if n == 500 { // more than what was sent before
			t.Fatal("the watchdog is fed")
		}
	}
	if out, status := p.agentStatus(); status != 1 || !strings.Contains(out, "the agent does not answer") {
		t.Errorf("status %d: %s", status, out)
	}
	if err := a.Kill(); err != nil { // SIGABRT would wait for SIGCONT
		t.Fatal(err)
	}
	p.agent()
	m.await("READY=1")
	p.has(p.warren(1, "wait", task), "interrupted")
}

func TestStatusAndMetricsOfAgent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.shortHome()
	if out, status := p.agentStatus(); status != 3 || !strings.Contains(out, "no agent runs on this data directory") {
		t.Errorf("before the start: status %d: %s", status, out)
	}
	file := p.home + "/warrend.prom"
	a := p.agent("--metrics", "0", "--metrics-file", file)
	p.warren(0, "run", "true", "--hosts", p.id)
	p.warren(1, "run", "true", "--hosts", p.id, "--user", "no-such-user")
	out, status := p.agentStatus("--json")
	var report struct {
		State string
		Link  struct{ State string }
		Names struct{ Held []string }
		Jobs  struct{ Ended map[string]int }
		Clock struct {
			OffsetMS *int64 `json:"offset_ms"`
		}
		Refused struct{ Last []struct{ Reason string } }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if status != 0 || report.State != "ok" || report.Link.State != "up" || report.Names.Held[0] != p.id || report.Jobs.Ended["exited"] != 1 || len(report.Refused.Last) != 1 || report.Clock.OffsetMS == nil {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status := p.agentStatus(); status != 0 {
		t.Errorf("status %d: %s", status, out)
	}
	address := regexp.MustCompile(`msg="serving metrics" address=(\S+)`).FindStringSubmatch(a.Err.String())
	if address == nil {
		t.Fatalf("no address in: %s", a.Err.String())
	}
	r, err := http.Get("http://" + address[1] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	p.has(string(text), "warrend_link_up 1\n", `warrend_jobs_ended_total{outcome="exited"} 1`, "warrend_reconnects_total 0\n")
	p.exists("warrend.prom")
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if out, status := p.agentStatus(); status != 3 {
		t.Errorf("after the end: status %d: %s", status, out)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the metrics of an agent that has ended stay")
	}
}

// Root runs warrend status as nobody; another user takes the rights to the socket away.
func TestStatusWithoutPermission(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.shortHome()
	p.agent()
	data := p.home + "/agent-" + p.id
	program := p.home + "/warrend" // in a directory that nobody may enter
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err := errors.Join(err, os.WriteFile(program, text, 0o700), os.Chmod(program, 0o755), os.Chmod(p.home, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "status", "--config=", "--data-dir", data)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else {
		if err := os.Chmod(data+"/run", 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(data+"/run", 0o700) })
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
	p.has(string(out), "permission denied", "hint: run this as the agent's user, or as root")
}

func TestMetricsPortInUse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := exec.Command(p.bin+"/warrend", "--config=", "--allow-unsigned", "--data-dir", p.home+"/data", "--metrics", l.Addr().String()).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 { // systemd tries again
		t.Errorf("%v", err)
	}
	p.has(string(out), "error: metrics: cannot open the port: ", "address already in use", "hint: choose another port")
}
