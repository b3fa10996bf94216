//go:build unix

package clitest

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A Terminal is a program on a real pseudo-terminal.
type Terminal struct {
	Screen Text

	t    testing.TB
	tty  *os.File
	cmd  *exec.Cmd
	read int // how much of Screen has been expected
	done chan struct{}
}

// StartTerminal starts cmd on a terminal of 40 lines.
func StartTerminal(t testing.TB, cmd *exec.Cmd, columns uint16) *Terminal {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{t: t, tty: tty, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		defer term.Screen.end()
		buf := make([]byte, 32<<10)
		for {
			n, err := tty.Read(buf)
			_, _ = term.Screen.Write(buf[:n])
			if err != nil {
				return // EIO: the last process has closed the terminal
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // an error where it has been waited for
		_ = tty.Close()
		<-term.done
	})
	return term
}

// Type sends keys.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	if _, err := term.tty.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// Expect waits for an expression after what was expected last, and returns the
// text that it matched.
func (term *Terminal) Expect(expr string) string {
	term.t.Helper()
	end, err := term.Screen.Await(expr, term.read)
	if err != nil {
		term.t.Fatal(err)
	}
	text := term.Screen.String()[term.read:end]
	term.read = end
	return regexp.MustCompile("(?m)" + expr).FindString(text)
}

// End waits for the end of the process and returns its exit status.
func (term *Terminal) End() int {
	term.t.Helper()
	late := time.AfterFunc(Patience, func() { _ = term.cmd.Process.Kill() })
	defer late.Stop()
	<-term.done
	_ = term.cmd.Wait() // the state says how it ended
	return term.cmd.ProcessState.ExitCode()
}
