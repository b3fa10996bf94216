//go:build unix

package process_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/internal/agent/process"
)

// markName is the variable that marks the processes of one command.
const markName = "WARREN_TEST_MARK"

// markOf returns a mark that is unique even if these tests run twice at the same time.
func markOf(t *testing.T) string { return fmt.Sprint(markName, "=", t.Name(), ".", os.Getpid()) }

// beAgent runs a command as an agent does and sends its identity.
func beAgent(link net.Conn, mark string, words []string) {
	s := process.Spec{
		Argv: append([]string{os.Args[0]}, words...),
		Env:  os.Environ(),
		Mark: mark,
	}
	process.Run(context.Background(), s, func(id process.Identity) { tell(link, fmt.Sprint(id.PID, " ", id.Start)) }, nil)
}

// hunt receives "PID START MARK" and sends the result of KillSurvivors.
func hunt(link net.Conn) {
	var id process.Identity
	var mark string
	if _, err := fmt.Fscan(bufio.NewReader(link), &id.PID, &id.Start, &mark); err != nil {
		panic(err)
	}
	s, err := process.KillSurvivors(id, mark, grace)
	tell(link, fmt.Sprint(s.Killed, " ", s.LeftCount, " ", err))
}

// grace is the grace time of tests in which a process ignores TERM.
const grace = 300 * time.Millisecond

// An agent is a process that runs one command.
type agent struct {
	*member
	cmd *exec.Cmd
	id  process.Identity // of the command's leader
}

// agent starts an agent whose command has these words and t's mark.
func (f *family) agent(words ...string) *agent {
	f.t.Helper()
	s := f.spec(append([]string{"agent=" + markOf(f.t)}, words...)...)
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Env, cmd.Stderr = s.Env, os.Stderr
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	a := &agent{member: f.accept(), cmd: cmd}
	f.t.Cleanup(func() {
		a.kill()
		if f.t.Failed() && a.id.PID > 1 {
			_ = syscall.Kill(-a.id.PID, syscall.SIGKILL)
		}
	})
	if _, err := fmt.Sscan(a.line(), &a.id.PID, &a.id.Start); err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (a *agent) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// line returns the next line that a member sends.
func (m *member) line() string {
	m.t.Helper()
	line, err := bufio.NewReader(m.link).ReadString('\n')
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// mustLive checks that a member with the next words await and tell=alive is alive.
func (m *member) mustLive() {
	m.t.Helper()
	m.goOn()
	m.hear("alive")
}

// up accepts a member that sends this word.
func (f *family) up(word string) *member {
	f.t.Helper()
	m := f.accept()
	m.hear(word)
	return m
}

func mustKill(t *testing.T, id process.Identity, want int) {
	t.Helper()
	if s, err := process.KillSurvivors(id, markOf(t), grace); s.Killed != want || err != nil {
		t.Errorf("got %+v, %v; want %d", s, err, want)
	}
}

// mustSpare expects an error with this text, or no error if it is empty.
func mustSpare(t *testing.T, id process.Identity, want int, text string) {
	t.Helper()
	s, err := process.KillSurvivors(id, markOf(t), grace)
	if s.Killed != want || (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("got %+v, %v; want %d, %q", s, err, want, text)
	}
}

// A family that ignores TERM is ended, and a second call finds nothing.
func TestSurvivors(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("ignore", "tell=up", "fork=7", "ignore", "tell=up", "fork=3", "ignore", "tell=up", "await", "await", "await")
	members := []*member{f.up("up"), f.up("up"), f.up("up")}
	a.kill()
	mustKill(t, a.id, 3)
	for _, m := range members {
		m.mustBeDead()
	}
	mustKill(t, a.id, 0)
}

func TestSurvivorsStopped(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("stop-always")
	m := f.up("stopping")
	a.kill()
	mustKill(t, a.id, 1)
	m.mustBeDead()
}

func TestSurvivorsNone(t *testing.T) {
	t.Parallel()
	id, _ := newFamily(t).identified(t.Context(), patience, "0", nil)
	mustKill(t, id, 0)
}

// Another process with the leader's id is not signaled, and neither is its group.
func TestSurvivorsSpareReusedID(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	id, _ := f.identified(t.Context(), patience, "0", nil)
	stranger, members := f.stranger("tell=up", "fork=3", "tell=up", "await", "tell=alive", "await", "tell=alive")
	mustKill(t, process.Identity{PID: stranger.Process.Pid, Start: id.Start + "0"}, 0)
	for _, m := range members {
		m.mustLive()
	}
}

// stranger starts a session with two processes that belongs to no command. Both send
// "up".
func (f *family) stranger(words ...string) (*exec.Cmd, [2]*member) {
	f.t.Helper()
	s := f.spec(words...)
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Env, cmd.SysProcAttr = s.Env, &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, [2]*member{f.up("up"), f.up("up")}
}

// Without the leader's start time and without a visible mark, a process is not
// verified.
func TestSurvivorsSpareUnverified(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	stranger, members := f.stranger("tell=up", "fork=3", "tell=up", "await", "tell=alive", "await", "tell=alive")
	mustSpare(t, process.Identity{PID: stranger.Process.Pid}, 0, "may belong to the command")
	for _, m := range members {
		m.mustLive()
	}
}

func TestSurvivorsUnrecorded(t *testing.T) {
	t.Parallel()
	mustSpare(t, process.Identity{}, 0, "was not recorded")
	mustSpare(t, process.Identity{PID: 1}, 0, "was not recorded")
}
