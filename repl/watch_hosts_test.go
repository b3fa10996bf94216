//go:build unix

package repl

import (
	"strings"
	"testing"

	"github.com/creack/pty"
)

// hosts --watch draws a table in place, also after a resize, and Ctrl-C leaves it: in the shell
// form with status 0, at the prompt for the next command.
func TestTerminalWatchesHosts(t *testing.T) {
	term := startSized(t, t.TempDir(), nil, pty.Winsize{Rows: 10, Cols: 60}, "hosts", "--watch")
	term.expect("3 online, 0 offline")
	term.expect("db1 ")
	term.expect("web02 ")
	if err := pty.Setsize(term.tty, &pty.Winsize{Rows: 10, Cols: 30}); err != nil {
		t.Fatal(err)
	}
	term.expect("\x1b[J")
	term.expect("3 online, 0 offline")
	from := term.read
	term.expect("web02 ")
	if frame := term.screen[from:term.read]; strings.Contains(frame, "VERSION") {
		t.Errorf("a frame of 30 columns is too wide: %q", frame)
	}
	term.send("\x03")
	if status := term.end(); status != 0 {
		t.Errorf("status %d after Ctrl-C; the screen:\n%s", status, term.screen)
	}

	term = startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line("hosts --watch --where 'role == \"web\"'")
	term.expect("1 online, 0 offline")
	term.send("\x03")
	term.expect("warren> ")
	term.line("hosts fold web01 web02")
	term.expect("web[01-02]")
	term.line("exit")
	if status := term.end(); status != 0 {
		t.Errorf("status %d", status)
	}
}
