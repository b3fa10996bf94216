package program

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is the program that runs, so that the tests need no shell.
const envChild = "WARREN_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child(os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

// child does what its words say, one after the other.
func child(words []string) {
	for len(words) > 1 {
		verb, what := words[0], words[1]
		words = words[2:]
		switch verb {
		case "print":
			fmt.Print(what)
		case "quoted":
			text, _ := strconv.Unquote(`"` + what + `"`)
			fmt.Print(text)
		case "complain":
			fmt.Fprintln(os.Stderr, what)
		case "repeat":
			for _, err := fmt.Print(what); err == nil; {
				_, err = os.Stdout.WriteString(strings.Repeat(what, 1000))
			}
		case "exit":
			code, _ := strconv.Atoi(what)
			os.Exit(code)
		case "start": // a process that holds the output, and runs on
			next := exec.Command(os.Args[0], "hold", what)
			next.Stdout = os.Stdout
			if err := next.Start(); err != nil {
				panic(err)
			}
		case "hold": // a connection, until the process ends
			conn, err := net.Dial("tcp", what)
			if err != nil {
				panic(err)
			}
			_, _ = conn.Read(make([]byte, 1))
		}
	}
}

func run(words ...string) Command {
	return Command{Words: append([]string{os.Args[0]}, words...), Env: []string{envChild + "=1"}, Timeout: 2 * time.Minute}
}

func TestOutputAndStandardError(t *testing.T) {
	out, stderr, err := Run(t.Context(), run("print", "web1\n", "complain", "careful"))
	if out != "web1\n" || stderr != "careful" || err != nil {
		t.Errorf("%q, %q, %v", out, stderr, err)
	}
}

func TestFailuresAreErrors(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"exit", "1"}, "it exited with 1"},
		{[]string{"complain", "one", "complain", "no such group", "exit", "3"}, "it exited with 3: no such group"},
		{[]string{"quoted", `web\x00`}, "is not text"},
		{[]string{"quoted", `\xff\xc0`}, "is not text"},
		{[]string{"repeat", "web1"}, "more than 64 MiB"},
	} {
		if _, _, err := Run(t.Context(), run(tt.words...)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v", tt.words, err)
		}
	}
}

// A peer is a listener for processes that hold a connection as long as they run.
type peer struct {
	t *testing.T
	net.Listener
}

func newPeer(t *testing.T) peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return peer{t, l}
}

// started waits for a process, and returns its connection.
func (p peer) started() net.Conn {
	p.t.Helper()
	conn, err := p.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ended waits until a process has ended.
func (p peer) ended(conn net.Conn) {
	p.t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		p.t.Error("the process runs on")
	}
}

// A process that a program has left behind, and that holds its output, is ended.
func TestProcessLeftBehind(t *testing.T) {
	p := newPeer(t)
	if _, _, err := Run(t.Context(), run("start", p.Addr().String(), "print", "web1\n")); err == nil || !strings.Contains(err.Error(), "still holds its output") {
		t.Fatal(err)
	}
	// It may have been ended before it connected.
	_ = p.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Second))
	if conn, err := p.Accept(); err == nil {
		defer conn.Close()
		p.ended(conn)
	}
}

func TestTimeout(t *testing.T) {
	c := run("hold", newPeer(t).Addr().String())
	c.Timeout = 300 * time.Millisecond
	if _, _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not ended within 300ms") {
		t.Fatal(err)
	}
}

// The end of a program is also that of the processes that it has started.
func TestCancellationKillsAllProcesses(t *testing.T) {
	p := newPeer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	ended := make(chan error, 1)
	go func() {
		_, _, err := Run(ctx, run("start", p.Addr().String(), "hold", p.Addr().String()))
		ended <- err
	}()
	first, second := p.started(), p.started()
	cancel(left)
	if err := <-ended; !errors.Is(err, left) {
		t.Error(err)
	}
	p.ended(first)
	p.ended(second)
}

func TestMissingProgram(t *testing.T) {
	if _, _, err := Run(t.Context(), Command{Words: []string{"/nonexistent/program"}, Timeout: time.Minute}); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
}

// Ending a process by a signal is Unix's; on Windows it is an exit with 1.
func TestSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no signals")
	}
	_, _, err := Run(t.Context(), Command{Words: []string{"sh", "-c", "kill -9 $$"}, Timeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "ended by a signal") {
		t.Error(err)
	}
}
