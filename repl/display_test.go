//go:build unix

package repl

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"warren/repl/cli"
)

// A display is a terminal as its user sees it: a terminal emulator interprets the output of
// the program. testdata/screens has the expected screens as text; UPDATE=1 rewrites them.
type display struct {
	*terminal
	vt *vt.Emulator
}

func startDisplay(t *testing.T, dir string, columns, rows uint16, env []string, args ...string) *display {
	t.Helper()
	return &display{
		terminal: startSized(t, dir, env, pty.Winsize{Cols: columns, Rows: rows}, args...),
		vt:       vt.NewEmulator(int(columns), int(rows)),
	}
}

// text is the screen without what is blank at the ends.
func (d *display) text() string {
	var lines []string
	for line := range strings.Lines(d.vt.String()) {
		lines = append(lines, strings.TrimRight(line, " \r\n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// until waits until the screen is so; at the program's end it must be.
func (d *display) until(what string, is func(screen string) bool) {
	d.t.Helper()
	late := time.After(patience)
	for !is(d.text()) {
		select {
		case more, ok := <-d.output:
			if !ok {
				d.t.Fatalf("ended without %s; the screen:\n%s", what, d.text())
			}
			d.screen += more
			_, _ = d.vt.WriteString(more)
		case <-late:
			d.t.Fatalf("not within %v: %s; the screen:\n%s", patience, what, d.text())
		}
	}
}

func (d *display) shows(text string) {
	d.t.Helper()
	d.until("\""+text+"\"", func(screen string) bool { return strings.Contains(screen, text) })
}

// greeted waits for the greeting of the prompt, which comes when the hosts have answered.
func (d *display) greeted() {
	d.t.Helper()
	d.shows("help lists the commands\nwarren>")
}

// done reads to the end of the program.
func (d *display) done() int {
	d.t.Helper()
	late := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer late.Stop()
	for more := range d.output {
		_, _ = d.vt.WriteString(more)
	}
	return d.end()
}

// passing are times that differ from run to run, and the room that they leave.
var passing = regexp.MustCompile(`\d+(\.\d+)?(ms|s|m\d+s)`)

// golden compares the screen, or what it becomes, with a file.
func (d *display) golden(name string, mask bool) {
	d.t.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(masked(d.text(), mask)), 0o600); err != nil {
			d.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.until(fmt.Sprintf("the screen of %s:\n%s", path, want), func(screen string) bool { return masked(screen, mask) == string(want) })
}

// masked is a screen without what differs from run to run.
func masked(screen string, mask bool) string {
	if !mask {
		return screen
	}
	screen = passing.ReplaceAllString(screen, "T")
	screen = regexp.MustCompile(`\[(#+)-+\]`).ReplaceAllString(screen, "[$1-]")
	return regexp.MustCompile(`\[#+`).ReplaceAllString(screen, "[#")
}

// fill runs commands on the data directory, each in a process of its own.
func fill(t *testing.T, dir string, lines ...[]string) {
	t.Helper()
	for _, args := range lines {
		startTerminal(t, dir, []string{"FAKE_NOW=1"}, args...).end()
	}
}

func TestScreens(t *testing.T) {
	for _, tt := range []struct {
		name          string
		columns, rows uint16
		run           []string
		args          []string
	}{
		{"folded", 80, 40, []string{"run", "parity", "--hosts", "web[01-09] absent[1-3]"}, []string{"check_task", "1b4e"}},
		{"diff", 80, 30, []string{"run", "parity", "--hosts", "web[01-09]"}, []string{"check_task", "1b4e", "--diff"}},
		{"outlier", 80, 24, []string{"run", "outlier", "--yes", "--hosts", "web[0001-1000]"}, []string{"check_task", "1b4e", "--diff"}},
		{"irregular", 60, 40, []string{"run", "outlier", "--yes", "--hosts", irregular(300)}, []string{"check_task", "1b4e"}},
		{"gbk", 80, 24, []string{"run", "gbk", "--hosts", "web[01-03]"}, []string{"check_task", "1b4e", "--encoding", "gbk"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			startTerminal(t, dir, nil, tt.run...).end()
			d := startDisplay(t, dir, tt.columns, tt.rows, nil, tt.args...)
			d.done()
			d.golden(tt.name, false)
		})
	}
}

// The output of a Windows host is decoded from the code page that its agent has reported.
// In a file it stays unchanged.
func TestScreenOfWindows(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, nil, "run", "gbk", "--hosts", "win01 lin01")
	d.done()
	for _, line := range []string{`    主机状态：正常 \xff`, `    \xd6\xf7\xbb\xfa״̬\xa3\xba\xd5\xfd\xb3\xa3 \xff`} {
		if !strings.Contains(d.text(), line) {
			t.Errorf("no line %q in\n%s", line, d.text())
		}
	}
}

// irregular names hosts that do not fold.
func irregular(n int) string {
	var names []string
	for i := range n {
		names = append(names, strings.Repeat("abcdefgh"[i%8:i%8+1], 1+i%5)+"-"+string(rune('a'+i/26%26))+string(rune('a'+i%26)))
	}
	return strings.Join(names, " ")
}

// Chinese output keeps its columns aligned, and so do the columns after it.
func TestScreenOfTasks(t *testing.T) {
	dir := t.TempDir()
	for _, command := range []string{"主机状态", "uname", "全角ＡＢＣ"} {
		startTerminal(t, dir, nil, "run", command, "--hosts", "web01").end()
	}
	d := startDisplay(t, dir, 60, 10, nil, "tasks")
	d.done()
	text := regexp.MustCompile(`\S+ ago`).ReplaceAllString(d.text(), "T ago")
	if !strings.Contains(text, "主机状态\n") || !strings.Contains(text, "全角ＡＢＣ\n") {
		t.Errorf("the screen is\n%s", text)
	}
	for _, id := range []string{"1b4e0001", "1b4e0002", "1b4e0003"} { // short on a terminal
		if !strings.Contains(text, "\n"+id+"  T ago  ") {
			t.Errorf("no row for %s in\n%s", id, text)
		}
	}
}

func live(t *testing.T, columns, rows uint16, args ...string) (*display, string) {
	t.Helper()
	dir := t.TempDir()
	d := startDisplay(t, dir, columns, rows, []string{"FAKE_NOW=1"}, append([]string{"run", "linger", "--hosts", "web[01-12]"}, args...)...)
	d.shows("0/12")
	return d, dir
}

func TestLiveView(t *testing.T) {
	for _, tt := range []struct {
		name          string
		columns, rows uint16
	}{{"live-80", 80, 24}, {"live-20", 20, 24}, {"live-low", 80, 8}} {
		t.Run(tt.name, func(t *testing.T) {
			d, dir := live(t, tt.columns, tt.rows)
			fill(t, dir, []string{"run", "release 9", "--hosts", "pending1", "--detach"})
			d.shows("9/12")
			d.golden(tt.name, true)
			fill(t, dir, []string{"run", "release", "--hosts", "web01"})
			if status := d.done(); status != cli.ExitFailed { // web08
				t.Errorf("exit status %d", status)
			}
			if text := d.text(); strings.Contains(text, "12/12") || strings.Contains(text, "slowest") {
				t.Errorf("the frame has stayed:\n%s", text)
			}
			if strings.Contains(d.screen, "\x1b[?") {
				t.Error("a mode of the terminal was changed")
			}
		})
	}
}

// Each frame replaces the previous one, also after the window changes its size.
func TestLiveViewIsResized(t *testing.T) {
	d, dir := live(t, 80, 24)
	for _, size := range []pty.Winsize{{Cols: 30, Rows: 24}, {Cols: 100, Rows: 24}, {Cols: 20, Rows: 10}} {
		d.vt.Resize(int(size.Cols), int(size.Rows))
		if err := pty.Setsize(d.tty, &size); err != nil {
			t.Fatal(err)
		}
		room := int(size.Cols) - 1
		d.until("a frame that fits", func(screen string) bool {
			return strings.Count(screen, "0/12") == 1 && strings.Count(screen, "[---") == 1 && widestLine(screen) <= room
		})
	}
	fill(t, dir, []string{"run", "release", "--hosts", "web01"})
	d.done()
}

func widestLine(screen string) int {
	wide := 0
	for line := range strings.Lines(screen) {
		if strings.HasPrefix(line, "[") {
			wide = max(wide, len(strings.TrimSpace(line)))
		}
	}
	return wide
}

func TestCtrlCDetachesLiveView(t *testing.T) {
	t.Setenv(envNoInterruptTimeout, "1")
	d, _ := live(t, 80, 24)
	before := terminalState(t, d.tty)
	d.send(ctrlC)
	d.shows("detached: task 1b4e0001")
	d.shows("12 running") // the frame stays
	d.send(ctrlC)
	d.shows("canceling task 1b4e0001")
	if status := d.done(); status != cli.ExitFailed {
		t.Errorf("exit status %d", status)
	}
	if terminalState(t, d.tty) != before {
		t.Error("the terminal's mode has changed")
	}
}

func TestSignalStopsLiveView(t *testing.T) {
	d, _ := live(t, 80, 24)
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := d.done(); status != cli.ExitFailed {
		t.Errorf("exit status %d", status)
	}
	d.shows("error: warren was stopped")
}

// The line editor still works after the prompt has shown a live view.
func TestLiveViewAtThePrompt(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOW=1"})
	d.greeted()
	d.line("run linger --hosts web[01-12]")
	d.shows("task on 12 hosts")
	d.line("watch 1b4e0001")
	d.shows("0/12")
	fill(t, dir, []string{"run", "release", "--hosts", "web01"})
	d.shows("done: 12 ok")
	d.line("hosts expand web[7-8]")
	d.shows("web7\nweb8\nwarren>")
	d.send(ctrlD)
	d.done()
}

func TestDumbTerminal(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOW=1", "TERM=dumb"}, "run", "linger", "--hosts", "web[01-12]")
	d.shows("running, 0 of 12 ended")
	fill(t, dir, []string{"run", "release 9", "--hosts", "pending1", "--detach"})
	d.shows("running, 9 of 12 ended")
	d.golden("dumb", true)
	if strings.Contains(d.screen, "\x1b") {
		t.Errorf("escape sequences on a dumb terminal: %q", d.screen)
	}
}

func TestPager(t *testing.T) {
	dir := t.TempDir()
	startTerminal(t, dir, nil, "run", "parity", "--hosts", "web[01-09]").end()
	check := func(rows uint16, pager string) *display {
		t.Helper()
		d := startDisplay(t, dir, 80, rows, []string{"PAGER=" + pager}, "check_task", "1b4e")
		if status := d.done(); status != cli.ExitFailed { // web08, not the pager
			t.Errorf("PAGER=%q: exit status %d", pager, status)
		}
		return d
	}
	if d := check(10, "tr a-z A-Z"); !strings.Contains(d.text(), "3 DIFFERENT RESULTS") {
		t.Errorf("long output has not gone through the pager:\n%s", d.text())
	}
	if d := check(60, "tr a-z A-Z"); !strings.Contains(d.text(), "3 different results") {
		t.Errorf("what fits the screen has gone through the pager:\n%s", d.text())
	}
	for _, none := range []string{"", "cat", "/no/such/pager", "'unbalanced"} {
		if d := check(10, none); !strings.Contains(d.text(), "3 different results") {
			t.Errorf("PAGER=%q:\n%s", none, d.text())
		}
	}
	if d := check(10, "head -n 1"); !strings.HasPrefix(d.text(), "task 1b4e0001") || strings.Contains(d.text(), "error") {
		t.Errorf("a pager that leaves early:\n%s", d.text())
	}
}

func TestLongTablesAndHelpArePaged(t *testing.T) {
	dir := t.TempDir()
	for range 8 {
		startTerminal(t, dir, nil, "run", "true", "--hosts", "web01").end()
	}
	for command, want := range map[string]string{"tasks": "DONE: 1 OK", "help": "EXPLAINS ONE COMMAND"} {
		d := startDisplay(t, dir, 80, 8, []string{"PAGER=tr a-z A-Z"}, command)
		d.done()
		if !strings.Contains(d.text(), want) {
			t.Errorf("%s has not gone through the pager:\n%s", command, d.text())
		}
	}
}

// If the user quits the pager before it has read a large output, the prompt continues.
func TestQuittingPagerReturnsToPrompt(t *testing.T) {
	d := startDisplay(t, t.TempDir(), 80, 24, []string{"PAGER=true"})
	d.greeted()
	d.line("run huge --hosts web01 --wait")
	d.until("a second prompt", func(screen string) bool { return strings.Count(screen, "warren>") == 2 })
	if text := d.text(); strings.Contains(text, "error") {
		t.Errorf("that it was left is told as an error:\n%s", text)
	}
	d.line("hosts expand web[7-8]")
	d.shows("web7\nweb8\nwarren>")
	d.send(ctrlD)
	d.done()
}
