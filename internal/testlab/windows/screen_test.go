//go:build linux

package windows

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"

	"warren/internal/testlab/clitest"
)

// A console is a program on the console of Windows. wine draws its content on a
// pseudo-terminal, which a terminal emulator reads.
type console struct {
	*clitest.Terminal
	t       *testing.T
	columns int
}

// rows is the height of clitest's terminals.
const rows = 40

// screen is the console's content, as text.
func (c *console) screen() string {
	emulator := vt.NewEmulator(c.columns, rows)
	_, _ = emulator.WriteString(c.Screen.String())
	var lines []string
	for line := range strings.Lines(emulator.String()) {
		lines = append(lines, strings.TrimRight(line, " \r\n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

func (c *console) shows(expr string) {
	c.t.Helper()
	re := regexp.MustCompile("(?m)" + expr)
	if err := clitest.Eventually(func() error {
		if screen := c.screen(); !re.MatchString(screen) {
			return fmt.Errorf("the screen shows no %s:\n%s", expr, screen)
		}
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
}

// masks replaces what differs from run to run.
var masks = []struct{ expr, text string }{
	{`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`, "ID"},
	{`\d+(\.\d+)?(ms|s)\b`, "T"},
	{`\b[0-9a-f]{8}\b`, "ID"},
	{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?`, "TIME"},
	{`(?m)^ID +NAMES .*\n.*`, "(a table of the hosts)"}, // the system of this machine
}

// golden compares the screen with a file; UPDATE=1 rewrites it.
func (c *console) golden(name string) {
	c.t.Helper()
	path := "testdata/" + name + ".txt"
	screen := c.screen()
	for _, m := range masks {
		screen = regexp.MustCompile(m.expr).ReplaceAllString(screen, m.text)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(screen), 0o644); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || screen != string(want) {
		c.t.Errorf("%v; the screen is\n%s\nwant\n%s", err, screen, want)
	}
}

// TestScreens types at the prompt of an operator on Windows.
func TestScreens(t *testing.T) {
	p := newPlace(t, windows, linux)
	p.host = "web01"
	p.start()
	cmd := p.command(t.Context(), windows, "warren")
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", `PAGER=C:\windows\system32\findstr.exe 159`)
	const columns = 80
	c := &console{Terminal: clitest.StartTerminal(t, cmd, columns), t: t, columns: columns}
	c.shows(`help lists the commands\nwarren>$`)
	c.Type("run \"echo 'one  two'; echo 主机; exit 3\" --hosts web01 --wait\r")
	c.shows(`done: 1 exited with an error\n(.*\n)*warren>$`)
	c.Type("hos\t")
	c.shows(`^warren> hosts ?$`)
	c.Type("\r")
	c.shows(`^web01 .*\n(.*\n)*warren>$`)
	c.Type("\x1b[A\x1b[A") // the history
	c.shows(`^warren> run "echo .*\n?.*--wait$`)
	c.Type("\x15")
	c.shows(`^warren>$`)
	c.Type("!echo %OS%\r")
	c.shows(`^Windows_NT\n(.*\n)*warren>$`)
	c.golden("prompt")
	c.Type("run 'seq 100 160' --hosts web01 --detach\rwait\r")
	c.shows(`^warren> wait\n +159\nwarren>$`) // longer than the screen: through the pager
	c.Type("run 'test \"$TYPED\" = hunter\"\"2' --hosts web01 --secret-env TYPED=- --wait\r")
	c.shows(`TYPED.*: *$`)
	c.Type("hunter2\r")
	c.shows(`^done: 1 ok\n(.*\n)*warren>$`)
	if strings.Contains(c.Screen.String(), "hunter2") {
		t.Errorf("the secret is on the screen:\n%s", c.screen())
	}
	c.Type("run 'sleep 100' --hosts web01 --wait\r")
	c.shows(`^1 running$`)
	c.Type("\x03")
	c.shows(`^detached: task .* is still running\n(.*\n)*warren>$`)
	c.Type("exit\r")
	if status := c.End(); status != 0 {
		t.Errorf("status %d", status)
	}
}
