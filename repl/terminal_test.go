//go:build unix

package repl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"warren/repl/cli"
)

// patience is how long a test waits for what must come, on a busy machine too: it costs
// only where a test fails.
const patience = 2 * time.Minute

// A terminal is `warren` on a real pseudo-terminal.
type terminal struct {
	t      *testing.T
	tty    *os.File // the master's side
	cmd    *exec.Cmd
	output chan string // from the reading goroutine, which closes it
	screen string      // all that has come
	read   int         // how much of screen has been expected already
}

func startTerminal(t *testing.T, dir string, env []string, args ...string) *terminal {
	t.Helper()
	return startSized(t, dir, env, pty.Winsize{Rows: 40, Cols: 120}, args...)
}

func startSized(t *testing.T, dir string, env []string, size pty.Winsize, args ...string) *terminal {
	t.Helper()
	if testing.Short() {
		t.Skip("starts programs on a terminal")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: exe, Args: append([]string{"warren"}, args...),
		Env: append(append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm", "NO_COLOR=1", "PAGER=cat", "GORACE=atexit_sleep_ms=0", "WARREN_DATA_DIR="+dir, "XDG_CONFIG_HOME="+dir+"/config", "CLUSTERSHELL_CFGDIR="+dir), env...),
	}
	tty, err := pty.StartWithSize(cmd, &size)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, tty: tty, cmd: cmd, output: make(chan string)}
	go func() {
		defer close(term.output)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			if n > 0 {
				term.output <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // an error where it has been waited for
		_ = tty.Close()
		for range term.output {
		}
	})
	return term
}

func (term *terminal) send(keys string) {
	term.t.Helper()
	if _, err := term.tty.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// line types a line.
func (term *terminal) line(text string) { term.t.Helper(); term.send(text + "\r") }

// expect waits until text has come after what was expected last.
func (term *terminal) expect(text string) {
	term.t.Helper()
	late := time.After(patience)
	for {
		if i := strings.Index(term.screen[term.read:], text); i >= 0 {
			term.read += i + len(text)
			return
		}
		select {
		case more, ok := <-term.output:
			if !ok {
				term.t.Fatalf("ended without %q; the screen:\n%s\nnot matched: %q", text, term.screen, term.screen[term.read:])
			}
			term.screen += more
		case <-late:
			term.t.Fatalf("no %q; the screen:\n%s\nnot matched: %q", text, term.screen, term.screen[term.read:])
		}
	}
}

// greeted waits for the prompt after the greeting, which comes when the hosts have answered:
// it could come between a typed line and its output.
func (term *terminal) greeted() {
	term.t.Helper()
	term.expect("help lists the commands")
	term.expect("warren> ")
}

// end waits for the end of the process and returns its exit status.
func (term *terminal) end() int {
	term.t.Helper()
	late := time.AfterFunc(patience, func() { _ = term.cmd.Process.Kill() })
	defer late.Stop()
	for more := range term.output {
		term.screen += more
	}
	var exit *exec.ExitError
	if err := term.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		term.t.Fatal(err)
	}
	return term.cmd.ProcessState.ExitCode()
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
)

func TestTerminalAnnouncesFinishedTasks(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line(`run "hold" --hosts "web[01-02]"`)
	term.expect("task on 2 hosts: 1b4e0001-0000-4000-8000-000000000000 (no timeout; cancel 1b4e0001 stops it)\r\n")
	term.expect("warren> ")
	term.line(`run "release" --hosts "web01 absent1"`)
	term.expect("task on 2 hosts: 1b4e0002-")
	term.expect("[1b4e0001] done: 2 ok  hold\r\n")
	term.expect("[1b4e0002] done: 1 ok, 1 unreachable  release\r\n")
	term.expect("warren> ")
	term.line("run true --hosts web01 --wait") // what has been shown is not announced
	term.expect("done: 1 ok\r\n")
	term.expect("warren> ")
	term.line(`run "hold" --hosts web01 --detach`)
	term.expect("warren> ")
	if strings.Count(term.screen, "cancel 1b4e0004 stops it") != 1 {
		t.Errorf("--detach prints the limit twice:\n%s", term.screen)
	}
	term.line(`run "hold" --hosts web01`)
	term.expect("warren> ")
	term.line("exit")
	term.expect("not done yet: 1b4e0005; check_task")
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if strings.Contains(term.screen, "[1b4e0003]") || strings.Count(term.screen, "[1b4e0001]") != 1 {
		t.Errorf("announced what was shown, or twice:\n%s", term.screen)
	}
}

func TestTerminalShowsControlSequences(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line(`run "escape" --hosts web01 --wait`)
	term.expect("web01  ok  12ms\r\n    \\x1b[31mred\r\n    web99  ok\r\n    汉字\r\n\r\ndone: 1 ok\r\n")
	term.expect("warren> ")
	term.line(`run fail --hosts web01 --wait`)
	term.expect("web01  exited 3  1.2s\r\n  stdout:\r\n    partial\r\n  stderr:\r\n    no such thing\r\n\r\n")
	term.expect("warren> ")
	term.line("hosts")
	term.expect(`windows\x1b[2J`)
	term.expect("warren> ")
	term.line("tasks")
	term.expect("1b4e0002  ")
	term.expect(" ago ")
	term.expect("warren> ")
	term.send(ctrlD)
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestTerminalCtrlCAtPrompt(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.send("nonsense")
	term.expect("nonsense")
	term.send(ctrlC)
	term.expect("^C")
	term.expect("warren> ")
	term.send("it's" + "\r")
	term.expect("> ")
	term.send(ctrlC)
	term.expect("^C")
	term.expect("warren> ")
	if strings.Contains(term.screen, "to leave") {
		t.Errorf("Ctrl-C on a line that was begun says how to leave:\n%s", term.screen)
	}
	term.send(ctrlC)
	term.expect("to leave, type exit or press Ctrl-D\r\n")
	term.expect("warren> ")
	term.line("hosts expand web1") // the line before is gone
	term.expect("web1\r\n")
	term.expect("warren> ")
	term.line("chek_task 1b4e")
	term.expect("error: unknown command \"chek_task\"\r\nhint: did you mean \"check_task\"?\r\n")
	term.expect("warren> ")
	term.send(ctrlD)
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d: what was mistyped counts", status)
	}
}

func TestTerminalCtrlCWhileWaiting(t *testing.T) {
	t.Setenv(envNoInterruptTimeout, "1")
	for _, how := range []string{"run hold --hosts web01 --wait", "wait 1b4e0001"} {
		t.Run(how, func(t *testing.T) {
			term := startTerminal(t, t.TempDir(), nil)
			term.greeted()
			if strings.HasPrefix(how, "wait") {
				term.line("run hold --hosts web01")
				term.expect("warren> ")
			}
			term.line(how)
			term.expect("task 1b4e0001-0000-4000-8000-000000000000 on 1 host (no timeout); Ctrl-C leaves it running")
			term.send(ctrlC)
			term.expect("detached: task 1b4e0001-0000-4000-8000-000000000000 is still running\r\nhint: check_task 1b4e0001 shows it, cancel 1b4e0001 stops it")
			term.expect("warren> ")
			term.send(ctrlC)
			term.expect("canceling task 1b4e0001-0000-4000-8000-000000000000")
			term.expect("[1b4e0001] done: 1 canceled  hold")
			term.expect("warren> ")
			term.send(ctrlC) // means nothing more than at any prompt
			term.expect("to leave")
			term.line("exit")
			if status := term.end(); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

func TestTerminalCtrlCInShellForm(t *testing.T) {
	t.Setenv(envNoInterruptTimeout, "1")
	dir := t.TempDir()
	term := startTerminal(t, dir, nil, "run", "hold", "--hosts", "web01")
	term.expect("on 1 host (no timeout); Ctrl-C leaves it running")
	term.send(ctrlC)
	term.expect("detached: task 1b4e0001-0000-4000-8000-000000000000 is still running")
	term.expect("hint: warren check_task 1b4e0001 shows it, warren cancel 1b4e0001 stops it")
	term.expect("now")
	term.send(ctrlC)
	term.expect("canceling task 1b4e0001-0000-4000-8000-000000000000")
	if status := term.end(); status != cli.ExitFailed {
		t.Errorf("exit status %d", status)
	}
	term = startTerminal(t, dir, nil, "check_task", "1b4e")
	term.expect("web01  canceled")
	if status := term.end(); status != cli.ExitFailed {
		t.Errorf("exit status %d", status)
	}
}

func TestTerminalHistory(t *testing.T) {
	dir := t.TempDir()
	term := startTerminal(t, dir, nil)
	other := startTerminal(t, dir, nil)
	term.greeted()
	other.greeted()
	for _, line := range []string{"hosts expand a1", "hosts expand b1", "hosts expand b1", " hosts expand secret1"} {
		term.line(line)
		term.expect(line[strings.LastIndex(line, " ")+1:] + "\r\n")
		term.expect("warren> ")
	}
	other.line("hosts expand c1")
	other.expect("c1\r\n")
	other.expect("warren> ")
	term.send(up)
	term.expect("hosts expand b1")
	term.send(up)
	term.expect("hosts expand a1")
	term.line("")
	term.expect("a1\r\n")
	term.expect("warren> ")
	term.send(ctrlD)
	other.send(ctrlD)
	term.end()
	other.end()

	path := filepath.Join(dir, "history")
	text, err := os.ReadFile(path)
	if want := "hosts expand a1\nhosts expand b1\nhosts expand c1\nhosts expand a1\n"; err != nil || string(text) != want {
		t.Errorf("history %q, %v; want %q", text, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again := startTerminal(t, dir, nil)
	again.greeted()
	again.send(up + up)
	again.expect("hosts expand c1")
}

func TestTerminalCompletion(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line("run true --hosts dbserver7 --wait")
	term.expect("done: 1 ok")
	term.expect("warren> ")
	term.send("che\t")
	term.expect("check_task ")
	term.send("1b4\t")
	term.expect("1b4e0001 ")
	term.send("--j\t\r")
	term.expect("--json")
	term.expect(`"state":"done"`)
	term.expect("warren> ")
	term.send("push script_te\t")
	term.expect("push script_test.go ")
	term.send(ctrlC)
	term.expect("warren> ")
	term.send("run true --hosts \"web01 db\t\"\r")
	term.expect(`"web01 dbserver7`)
	term.expect("task on 2 hosts")
	term.expect("warren> ")
	term.send("check_task 1\t") // the newest first, with their commands
	term.expect("1b4e0002  true")
	term.expect("1b4e0001  true\r\n")
	term.expect("warren> check_task 1b4e000")
	term.send("1\r")
	term.expect("task 1b4e0001-")
	term.expect("warren> ")
}

func TestTerminalModeIsRestored(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	editing := terminalState(t, term.tty)
	term.line("run hold --hosts web01 --wait")
	term.expect("Ctrl-C leaves it running")
	waiting := terminalState(t, term.tty)
	if editing == waiting {
		t.Error("while a command waits the terminal is in the editor's mode")
	}
	term.send(ctrlC)
	term.expect("warren> ")
	term.line("exit")
	term.expect("not done yet")
	if terminalState(t, term.tty) != waiting {
		t.Error("the terminal is left in another mode")
	}
	term.end()
}

func TestTerminalModeIsRestoredOnSignal(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line("run hold --hosts web01 --wait")
	term.expect("Ctrl-C leaves it running")
	original := terminalState(t, term.tty)
	term.send(ctrlC)
	term.expect("warren> ")
	term.line("hosts expand a1")
	term.expect("a1\r\n")
	term.expect("warren> ")
	if err := term.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if terminalState(t, term.tty) != original {
		t.Error("the terminal is left in the editor's mode")
	}
}

func terminalState(t *testing.T, tty *os.File) term.State {
	t.Helper()
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return *state
}

// Only Warren's own colors reach the terminal, and only if colors are on.
func TestTerminalColors(t *testing.T) {
	dir := t.TempDir()
	term := startTerminal(t, dir, []string{"NO_COLOR="}, "run", "escape", "--hosts", "web01 absent1")
	term.expect("\x1b[31munreachable\x1b[0m")
	term.expect("web01    \x1b[32mok\x1b[0m  12ms\r\n    \\x1b[31mred")
	term.expect("\x1b[31mdone: 1 ok, 1 unreachable\x1b[0m")
	term.end()
	term = startTerminal(t, dir, []string{"NO_COLOR="}, "--color", "never", "check_task", "1b4e")
	term.expect("\r\ndone: 1 ok, 1 unreachable\r\n")
	term.end()
}

func TestTerminalPrintsBrokerNotices(t *testing.T) {
	term := startTerminal(t, t.TempDir(), []string{"FAKE_BROKER=down"})
	term.expect("broker: cannot connect (no broker answers at 127.0.0.1:1), trying again\r\nhint: is RabbitMQ running there?\r\n")
	term.expect("warren> ")
	term.line("tasks") // the notice is printed once
	term.expect("no tasks yet")
	term.expect("warren> ")
	if n := strings.Count(term.screen, "cannot connect"); n != 1 {
		t.Errorf("told %d times:\n%s", n, term.screen)
	}
}

func TestTerminalWithoutLineEditing(t *testing.T) {
	term := startTerminal(t, t.TempDir(), []string{"TERM=dumb"})
	term.greeted()
	term.line("hosts expand web1")
	term.expect("\nweb1\r\n")
	term.expect("warren> ")
	term.send("garbage" + ctrlC)
	term.expect("to leave")
	term.expect("warren> ")
	term.line("run hold --hosts web01 --wait")
	term.expect("Ctrl-C leaves it running")
	term.send(ctrlC)
	term.expect("detached")
	term.expect("warren> ")
	term.line("exit")
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// paste is what a terminal sends when text is pasted into a program that has
// asked for bracketed paste.
// What a terminal in bracketed-paste mode puts around what is pasted, and what
// switches the mode.
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
)

func paste(text string) string {
	return pasteBegin + strings.ReplaceAll(text, "\n", "\r") + pasteEnd
}

// Pasted text of any number of lines waits for Enter. Then the prompt runs all of it or
// none.
func TestTerminalPaste(t *testing.T) {
	dir := t.TempDir()
	term := startTerminal(t, dir, nil)
	term.greeted()
	if !strings.Contains(term.screen, pasteOn) { // before the greeting or behind it
		t.Fatalf("the terminal was not asked to mark what is pasted; the screen:\n%s", term.screen)
	}
	term.send(paste("run true --hosts a1\nrun true --hosts a2\nrun true --hosts a3\n"))
	term.expect("run true --hosts a1␊run true --hosts a2␊run true --hosts a3")
	other := startTerminal(t, dir, nil, "tasks") // nothing has been carried out
	other.expect("no tasks yet")
	other.end()
	term.send("\r")
	for _, host := range []string{"a1", "a2", "a3"} {
		term.expect("warren> run true --hosts " + host + "\r\n")
		term.expect("task on 1 host: ")
	}
	term.expect("warren> ")

	// One quote is not closed: the rest belongs to it, and nothing runs.
	term.send(paste("run true --hosts b1\nrun \"echo half --hosts b2\nrun true --hosts b3\n"))
	term.expect("b3")
	term.send("\r")
	term.expect(pasteOn + "> ")
	term.send(ctrlC)
	term.expect("^C")
	term.expect("warren> ")

	// One command is wrong: none runs.
	term.send(paste("run true --hosts c1\nrun true --hots c2\n"))
	term.expect("c2")
	term.send("\r")
	term.expect("error: command 2 of 2: run has no flag --hots; none of them was run\r\nhint: did you mean \"--hosts\"?")
	term.expect("warren> ")

	// A command of several lines is one.
	term.send(paste("run \"echo x\necho y\" --hosts d1\n"))
	term.expect("d1")
	term.send("\r")
	term.expect("task on 1 host: ")
	term.expect("warren> ")
	term.line("tasks --limit 1")
	term.expect(`echo x\necho y`)
	term.expect("warren> ")
	term.line("tasks --json --limit 0")
	term.expect(`"echo x\necho y"`)
	term.expect("warren> ")
	term.line("exit")
	term.end()
	if n := strings.Count(term.screen, "task on 1 host"); n != 4 {
		t.Errorf("%d tasks were made:\n%s", n, term.screen)
	}
	if !strings.HasSuffix(term.screen, pasteOff) && !strings.Contains(term.screen[strings.LastIndex(term.screen, pasteOn):], pasteOff) {
		t.Error("the terminal is left in bracketed-paste mode")
	}
	again := startTerminal(t, dir, nil) // the history has it as one
	again.greeted()
	again.send(up + up + up + up)
	again.expect("run \"echo x␊echo y\" --hosts d1")
}

// On a terminal without bracketed paste, lines that an open quote connects are still one
// command.
func TestTerminalQuotesContinue(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.send("run \"echo one\recho two\" \\\r--hosts a1\r")
	term.expect(pasteOn + "> ")
	term.expect(pasteOn + "> ")
	term.expect("task on 1 host: ")
	term.expect("warren> ")
	term.line(`run 'echo half`)
	term.expect("> ")
	term.send(ctrlD)
	term.expect("error: a single quote (') is not closed")
	term.expect("warren> ")
	term.line("tasks")
	term.expect(`echo one\necho two`)
	term.expect("warren> ")
	if strings.Count(term.screen, "task on") != 1 {
		t.Errorf("half a command was carried out:\n%s", term.screen)
	}
}

func TestTerminalHistorySearch(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	for _, name := range []string{"alpha1", "beta1", "gamma1"} {
		term.line("hosts expand " + name)
		term.expect(pasteOff + name + "\r\n")
		term.expect("warren> ")
	}
	term.send("\x12" + "alp") // Ctrl-R
	term.expect("hosts expand alpha1")
	term.send("\r")
	term.expect(pasteOff + "alpha1\r\n")
	term.expect("warren> ")
}

func TestTerminalUse(t *testing.T) {
	term := startTerminal(t, t.TempDir(), nil)
	term.greeted()
	term.line("use")
	term.expect("no default hosts")
	term.line(`use "web[01-03] db1"`)
	term.expect("4 hosts: db1,web[01-03]\r\n")
	term.expect("warren db1,web[01-03]> ")
	term.line("run true")
	term.expect("task on 4 hosts")
	term.expect("warren db1,web[01-03]> ")
	term.line("run true --hosts web09")
	term.expect("task on 1 host:")
	term.line(`use "a[1-9],b[1-9],c[1-9],d[1-9],e[1-9],f[1-9]"`)
	term.expect("warren a[1-9],b[1-9],c[1-9],d[1-9… (54)> ")
	term.line("use web[")
	term.expect("error: use: ")
	term.expect("warren a[1-9],b[1-9],c[1-9],d[1-9… (54)> ")
	term.line("use --clear")
	term.expect(pasteOn + "warren> ")
	term.line("run true")
	term.expect("error: run: no hosts given")
}

// A local command owns the terminal while it runs, is not sent to hosts, and its exit is
// reported.
func TestTerminalLocal(t *testing.T) {
	term := startTerminal(t, t.TempDir(), []string{"SHELL=/bin/sh"})
	term.greeted()
	term.line("!echo here; exit 3")
	term.expect(pasteOff + "here\r\n")
	term.expect("error: the local command exited with 3")
	term.expect("warren> ")
	term.line("!echo ready; read line; echo \"got $line\"")
	term.expect(pasteOff + "ready")
	term.line("typed")
	term.expect("got typed\r\n")
	term.expect("warren> ")
	term.line("!echo begun; exec sleep 60")
	term.expect(pasteOff + "begun\r\n")
	term.send(ctrlC)
	term.expect("error: the local command: signal: interrupt")
	term.expect("warren> ")
	term.line("!")
	term.expect("error: !: no command given")
	term.line("tasks")
	term.expect("no tasks yet")
	term.expect("warren> ")
	term.line("exit")
	if status := term.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if strings.Contains(term.screen, "to leave, type exit") {
		t.Error("the command's Ctrl-C reached the prompt, too")
	}
}

// A task for many hosts is sent only after the operator has typed their number.
func TestTerminalConfirm(t *testing.T) {
	dir := t.TempDir()
	term := startTerminal(t, dir, nil)
	term.greeted()
	term.line("run true --hosts web[001-101]")
	term.expect("run true on 101 hosts: web[001-101]\r\n")
	term.expect("type 101 to continue: ")
	term.line("y")
	term.expect("error: not confirmed: nothing was sent")
	term.expect("warren> ")
	term.line("run true --hosts web[001-101]")
	term.expect("type 101 to continue: ")
	term.send(ctrlC)
	term.expect("error: not confirmed: nothing was sent")
	term.expect("warren> ")
	term.line("tasks")
	term.expect("no tasks yet")
	term.line("run true --hosts web[001-101]")
	term.expect("type 101 to continue: ")
	term.line("101")
	term.expect("task on 101 hosts")
	term.expect("warren> ")
	term.line("run true --hosts web[001-101] --yes")
	term.expect("task on 101 hosts")
	term.line("run true --hosts web[1-3] --confirm-above 2")
	term.expect("type 3 to continue: ")
	term.line("3")
	term.expect("task on 3 hosts")
	term.expect("warren> ")
	term.send(up) // an answer is no command
	term.expect("--confirm-above 2")

	shell := startTerminal(t, dir, []string{"WARREN_CONFIRM_ABOVE=1"}, "run", "true", "--hosts", "web[1-2]")
	shell.expect("type 2 to continue: ")
	shell.line("2")
	shell.expect("done: 2 ok")
	if status := shell.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	shell = startTerminal(t, dir, []string{"WARREN_CONFIRM_ABOVE=1"}, "run", "true", "--hosts", "web[1-2]")
	shell.expect("type 2 to continue: ")
	shell.line("")
	shell.expect("error: not confirmed: nothing was sent\r\nhint: --yes skips the confirmation")
	if status := shell.end(); status != cli.ExitFailed {
		t.Errorf("exit status %d", status)
	}
}

// On 80 columns, the line of run and those of doctor break between words.
func TestLinesBreakBetweenWords(t *testing.T) {
	term := startSized(t, t.TempDir(), nil, pty.Winsize{Rows: 40, Cols: 80})
	term.greeted()
	term.line(`run "hold" --hosts "web[01-02]"`)
	term.expect("task on 2 hosts: 1b4e0001-0000-4000-8000-000000000000 (no timeout; cancel\r\n  1b4e0001 stops it)\r\n")
}
