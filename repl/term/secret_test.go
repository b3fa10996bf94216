//go:build unix

package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
)

// The test binary is also the program that reads the secret.
func TestMain(m *testing.M) {
	if os.Getenv("TERMINAL_TEST_ASK") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		secret, err := ReadSecret(ctx, "say it: ")
		state, _ := exec.Command("stty", "-F", "/dev/tty", "-a").Output()
		fmt.Fprintf(os.Stderr, "got %q, none %t, aborted %t, ended %t, echo %t\n",
			secret, errors.Is(err, ErrNone), errors.Is(err, ErrAborted), errors.Is(err, context.Canceled), strings.Contains(string(state), " echo "))
		stop()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// ask runs the program on a terminal, its standard input and output elsewhere,
// types keys once it has asked, and returns what the screen and it have said. If mode is end,
// the last key must show the prompt again: the program has read the keys then, and is told to end.
func ask(t *testing.T, mode, keys string) (screen, said string) {
	t.Helper()
	tty, pts, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer pts.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "TERMINAL_TEST_ASK="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.ExtraFiles = []*os.File{pts}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked := func(times int) {
		t.Helper()
		for strings.Count(screen, "say it: ") < times {
			buf := make([]byte, 1024)
			n, err := tty.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			screen += string(buf[:n])
		}
	}
	asked(1)
	if _, err := tty.WriteString(keys); err != nil {
		t.Fatal(err)
	}
	if mode == "end" {
		asked(2)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := pts.Close(); err != nil {
		t.Fatal(err)
	}
	for { // to the end: the other side is closed
		buf := make([]byte, 1024)
		n, err := tty.Read(buf)
		screen += string(buf[:n])
		if err != nil {
			return screen, stderr.String()
		}
	}
}

func TestReadSecret(t *testing.T) {
	if testing.Short() {
		t.Skip("starts programs on a terminal")
	}
	for _, c := range []struct{ name, mode, keys, said string }{
		{"a line", "wait", "hun ter\u00fc2\r", `got "hun terü2", none false, aborted false, ended false, echo true`},
		{"edited", "wait", "hunt\x7fter2\r", `got "hunter2", none false, aborted false, ended false, echo true`},
		{"empty", "wait", "\r", `got "", none false, aborted false, ended false, echo true`},
		{"Ctrl-C", "wait", "hunter2\x03", `got "", none false, aborted true, ended false, echo true`},
		{"Ctrl-D", "wait", "\x04", `got "", none false, aborted true, ended false, echo true`},
		{"the process is told to end", "end", "hunter2\f", `got "", none false, aborted false, ended true, echo true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			screen, said := ask(t, c.mode, c.keys)
			if !strings.Contains(said, c.said) {
				t.Errorf("%s\nwant %s", said, c.said)
			}
			if strings.Contains(screen, "hun") {
				t.Errorf("it is shown: %q", screen)
			}
		})
	}
}

func TestNoTerminal(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TERMINAL_TEST_ASK=wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "none true") {
		t.Errorf("%v: %s", err, said)
	}
}
