//go:build unix

package rabbit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"warren/internal/hint"
)

// envChild makes the test binary a program that starts a node and waits to be killed.
const envChild = "WARREN_RABBIT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		nodeAlone()
		return
	}
	goleak.VerifyTestMain(m)
}

func nodeAlone() {
	n, err := Start(context.Background(), Config{Dir: os.Getenv(envChild)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(n.broker.PID, n.epmd.PID)
	select {}
}

// The life of a node, in one test since each start takes its seconds.
func TestLife(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	n, err := Start(ctx, Config{Extra: []string{"channel_max = 77"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began))
	stopped := false
	defer func() {
		if !stopped {
			_ = n.Stop()
		}
	}()

	conn := dial(t, n.URL())
	if got := conn.Config.ChannelMax; got != 77 {
		t.Errorf("channel_max is %d: rabbitmq.conf lacks the extra line", got)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("kept", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if sid := sessionOf(t, n.broker.PID); sid != n.broker.PID {
		t.Errorf("the broker is in session %d, not in its own: Ctrl-C would reach it", sid)
	}

	// Everything listens on the loopback address only.
	for name, port := range map[string]int{"amqp": n.ports.amqp, "dist": n.ports.dist, "epmd": n.ports.epmd} {
		if portFree(port) {
			t.Errorf("nothing listens on 127.0.0.1:%d (%s)", port, name)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port)))
		if err != nil {
			t.Errorf("%s listens on more than 127.0.0.1: %v", name, err)
			continue
		}
		l.Close()
	}

	vhost, err := n.AddVhost(ctx, "a/b é")
	if err != nil {
		t.Fatal(err)
	}
	dial(t, vhost).Close()
	user, err := n.AddUser(ctx, "a/b é", "o'neil", "p@ss/wörd", "^$", "^$", "^$")
	if err != nil {
		t.Fatal(err)
	}
	confined := dial(t, user)
	confinedCh, err := confined.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := confinedCh.QueueDeclare("no", false, false, false, false, nil); err == nil {
		t.Error("a user without permissions may declare a queue")
	}
	confined.Close()
	if out, err := n.Ctl(ctx, "-q", "list_vhosts"); err != nil || !strings.Contains(out, "a/b é") && !strings.Contains(out, "a/b \xe9") { // Latin-1, from Erlang 26 on
		t.Errorf("rabbitmqctl list_vhosts: %q, %v", out, err)
	}
	if _, err := n.AddVhost(ctx, ""); err == nil {
		t.Log("RabbitMQ takes an empty vhost name")
	}
	if _, err := n.Eval(ctx, "this is no Erlang."); err == nil {
		t.Error("Eval takes anything")
	}

	lost := conn.NotifyClose(make(chan *amqp.Error, 1))
	pid := n.broker.PID
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	<-lost
	if left := session(t, pid); len(left) > 0 {
		t.Errorf("the broker's children outlive it: %v", left)
	}
	if err := n.Kill(); err != nil {
		t.Errorf("a second Kill: %v", err)
	}
	n.programs.server = failsOnce(t, n.programs.server)
	if err := n.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	conn = dial(t, n.URL())
	ch, err = conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclarePassive("kept", true, false, false, false, nil); err != nil {
		t.Errorf("a durable queue did not survive Kill and Restart: %v", err)
	}
	conn.Close()

	began = time.Now()
	stopped = true
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(began))
	for _, pid := range []int{n.broker.PID, n.epmd.PID} {
		if left := session(t, pid); len(left) > 0 {
			t.Errorf("left after Stop: %v", left)
		}
	}
	if _, err := os.Stat(n.Dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
	if err := n.Stop(); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

// failsOnce is a program that fails at its first start, and is the server after that.
func failsOnce(t *testing.T, server string) string {
	t.Helper()
	path := t.TempDir() + "/rabbitmq-server"
	script := fmt.Sprintf("#!/bin/sh\n[ -e %[1]s.failed ] && exec %[2]s\n: >%[1]s.failed\nexit 1\n", path, server)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartGivesUpWithContext(t *testing.T) {
	dir := t.TempDir() + "/node"
	gaveUp := errors.New("gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	// The console file appears when the broker is being launched.
	go func() {
		for {
			if _, err := os.Stat(dir + "/" + consoleFile); err == nil {
				cancel(gaveUp)
				return
			}
		}
	}()
	if _, err := Start(ctx, Config{Dir: dir}); !errors.Is(err, gaveUp) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestBrokenConfigurationIsExplained(t *testing.T) {
	_, err := Start(t.Context(), Config{Extra: []string{"no_such_setting = 1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Fatalf("got %v", err)
	}
}

func TestNodeDiesWithUs(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux binds a node to its parent's life")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"="+t.TempDir()+"/node")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var broker, epmd int
	if _, scanErr := fmt.Sscan(line, &broker, &epmd); err != nil || scanErr != nil {
		t.Fatalf("the child says %q (%v)", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for len(session(t, broker))+len(session(t, epmd)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("left: %v %v", session(t, broker), session(t, epmd))
		}
		time.Sleep(10 * time.Millisecond) // nothing tells us of a stranger's end
	}
}

func TestNotInstalled(t *testing.T) {
	t.Setenv(envPrograms, "")
	if isFile("/usr/lib/rabbitmq/bin/rabbitmq-server") {
		dirs := binDirs
		binDirs = nil
		defer func() { binDirs = dirs }()
	}
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), Config{})
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(hint.Text(err), "\nhint: ") {
		t.Fatalf("got %v", err)
	}
}

func dial(t *testing.T, url string) *amqp.Connection {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func sessionOf(t *testing.T, pid int) int {
	t.Helper()
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	return int(sid)
}

// session lists the processes of the session that leader began, as ps shows them.
func session(t *testing.T, leader int) []string {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "sess=,pid=,stat=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 3 && f[0] == strconv.Itoa(leader) && !strings.HasPrefix(f[2], "Z") {
			left = append(left, strings.Join(f, " "))
		}
	}
	return left
}
