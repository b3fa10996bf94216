//go:build linux

package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/executor"
	"warren/internal/broker"
)

// patience is how long a test waits for a message.
const patience = 20 * time.Second

// manager is a service manager's socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T, path string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// next returns the next message; empty if there is none within this time.
func (m *manager) next(within time.Duration) string {
	m.t.Helper()
	b := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

// drain reads what the socket holds now, and does not wait.
func (m *manager) drain() {
	m.t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		b := make([]byte, 4096)
		for {
			if _, _, err := syscall.Recvfrom(int(fd), b, syscall.MSG_DONTWAIT); err != nil {
				return
			}
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// await skips messages until one begins with start.
func (m *manager) await(start string) string {
	m.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if text := m.next(time.Until(deadline)); strings.HasPrefix(text, start) {
			return text
		}
	}
	m.t.Fatalf("no %s", start)
	return ""
}

// stub is an agent whose loop can be made to stick: then nobody receives its questions.
type stub struct {
	phase     broker.Phase
	questions chan chan *executor.Status
	reload    chan os.Signal
	stick     chan struct{}
}

func newStub(phase broker.Phase) *stub {
	return &stub{phase: phase, questions: make(chan chan *executor.Status), reload: make(chan os.Signal), stick: make(chan struct{})}
}

func (a *stub) loop(ctx context.Context) {
	for {
		select {
		case answer := <-a.questions:
			answer <- &executor.Status{Running: 2, Waiting: 1}
		case <-a.reload:
		case <-a.stick:
			<-ctx.Done()
			return
		case <-ctx.Done():
			return
		}
	}
}

func (a *stub) Status(ctx context.Context) (*executor.Status, error) {
	answer := make(chan *executor.Status, 1)
	select {
	case a.questions <- answer:
		return <-answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *stub) Link() *broker.State {
	return &broker.State{Phase: a.phase, URL: "amqp://rabbit/"}
}

// start runs a supervisor and the stub's loop. stop begins to stop the agent.
func start(t *testing.T, a *stub, hangup <-chan os.Signal) (stop func()) {
	t.Helper()
	s := &Supervisor{Socket: FromEnvironment(), Agent: a, Log: slog.New(slog.DiscardHandler), StopTimeout: 75 * time.Second, Hangup: hangup, Reload: a.reload}
	ctx, cancel := context.WithCancel(t.Context())
	stopping, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { a.loop(ctx); ended <- nil }()
	go func() { ended <- s.Run(ctx, stopping) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return stop
}

func TestStartReloadAndStopAreReported(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@warren-test-%d", os.Getpid())} {
		m := newManager(t, path)
		hangup := make(chan os.Signal, 1)
		stop := start(t, newStub(broker.Up), hangup)
		if text := m.await("READY=1"); text != "READY=1\nSTATUS=connected to amqp://rabbit/; 2 running, 1 waiting" {
			t.Errorf("%q", text)
		}
		first := monotonicUsec()
		hangup <- syscall.SIGHUP
		var usec int64
		if _, err := fmt.Sscanf(m.await("RELOADING=1"), "RELOADING=1\nMONOTONIC_USEC=%d", &usec); err != nil || usec < first || usec > monotonicUsec() {
			t.Errorf("MONOTONIC_USEC=%d, %v; the clock was at %d", usec, err, first)
		}
		m.await("READY=1")
		stop()
		// systemd reads one variable per line.
		if text := m.await("STOPPING=1"); !strings.HasPrefix(text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=75000000\nSTATUS=stopping; connected") {
			t.Errorf("%q", text)
		}
	}
}

func TestAgentWithoutIDIsNotReady(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "40000")
	start(t, newStub(broker.Connecting), nil)
	for range 10 {
		if text := m.next(patience); strings.Contains(text, "READY=1") || text == "" {
			t.Fatalf("%q", text)
		}
	}
}

// The supervisor runs on when the loop is stuck, and must not feed the watchdog in its place.
func TestStuckLoopGetsNoWatchdog(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "40000")
	a := newStub(broker.Up)
	stop := start(t, a, nil)
	for range 5 {
		m.await("WATCHDOG=1")
	}
	a.stick <- struct{}{}
	m.drain()
	for n := 0; m.next(400*time.Millisecond) != ""; n++ { // until 20 intervals pass without a message
		if n == 2 { // more than follows the last answer of the loop: WATCHDOG and STATUS
			t.Fatal("the watchdog is fed")
		}
	}
	stop()
	if text := m.next(patience); !strings.HasPrefix(text, "STOPPING=1") {
		t.Errorf("the supervisor is stuck too: %q", text)
	}
}

func TestSocketThatIsGoneDoesNoHarm(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "gone"), "@warren-test-gone"} {
		t.Setenv("NOTIFY_SOCKET", path)
		hangup := make(chan os.Signal)
		stop := start(t, newStub(broker.Up), hangup)
		hangup <- syscall.SIGHUP // received: the supervisor runs
		hangup <- syscall.SIGHUP
		stop()
	}
}

func TestEnvironmentIsForThisProcess(t *testing.T) {
	for _, c := range []struct {
		socket, usec, pid string
		none              bool
		watchdog          time.Duration
	}{
		{socket: "/run/notify", usec: "60000000", watchdog: time.Minute},
		{socket: "@notify", usec: "60000000", pid: fmt.Sprint(os.Getpid()), watchdog: time.Minute},
		{socket: "/run/notify", usec: "60000000", pid: "1"},
		{socket: "/run/notify", usec: "soon"},
		{socket: "/run/notify", usec: "-5"},
		{socket: "", none: true},
		{socket: "vsock:2:1234", none: true},
	} {
		t.Setenv("NOTIFY_SOCKET", c.socket)
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		s := FromEnvironment()
		if (s == nil) != c.none || s != nil && s.Watchdog != c.watchdog {
			t.Errorf("%+v: %+v", c, s)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if v, ok := os.LookupEnv(name); ok {
				t.Errorf("children would inherit %s=%s", name, v)
			}
		}
	}
}
