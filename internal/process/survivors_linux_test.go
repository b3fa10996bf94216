package process_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/process"
)

// adopt makes this program the parent of what its descendants leave behind, so
// that a test decides when a leader is reaped.
func adopt(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// buried waits for the end of an adopted process and reaps it.
func buried(t *testing.T, pid int) {
	t.Helper()
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// orphans is a command whose leader has ended, after its agent: a zombie still.
// The words are of the child that it left.
func (f *family) orphans(unmark bool, words ...string) (*agent, *member) {
	f.t.Helper()
	adopt(f.t)
	child := append([]string{fmt.Sprint("fork=", 1+len(words)), "tell=child"}, words...)
	if unmark {
		child = append([]string{"unmark"}, child...)
	}
	a := f.agent(append(append([]string{"tell=leader", "await"}, child...), "await")...)
	leader := f.up("leader")
	leader.goOn() // to fork
	m := f.up("child")
	a.kill()
	leader.goOn() // to exit
	leader.mustBeDead()
	return a, m
}

func TestSurvivorsOfDeadLeader(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "ignore", "await")
	buried(t, a.id.PID)
	mustKill(t, a.id, process.Survivors{Killed: 1})
	child.mustBeDead()
}

// What a member that bears the mark started is the command's, marked or not.
func TestSurvivorsUnmarkedBesideMarked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "unmark", "fork=3", "regroup", "tell=naked", "await", "await")
	naked := f.up("naked")
	buried(t, a.id.PID)
	mustKill(t, a.id, process.Survivors{Killed: 2})
	child.mustBeDead()
	naked.mustBeDead()
}

// The leader's zombie is as good as the leader.
func TestSurvivorsOfZombie(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(true, "await")
	mustKill(t, a.id, process.Survivors{Killed: 1})
	child.mustBeDead()
	buried(t, a.id.PID)
}

// A group of the leader's id, whose own leader has gone as well, may be a
// stranger's.
func TestSurvivorsUnmarked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(true, "await", "tell=alive")
	buried(t, a.id.PID)
	mustSpare(t, a.id, process.Survivors{}, "may be of it")
	child.mustLive()
}

// Where the start is not known, the mark shows the leader.
func TestSurvivorsWithoutStart(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "await")
	m := f.up("up")
	a.kill()
	mustKill(t, process.Identity{PID: a.id.PID}, process.Survivors{Killed: 1})
	m.mustBeDead()
}

func TestSurvivorsOfAnotherBoot(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "await", "tell=alive")
	m := f.up("up")
	a.kill()
	_, ticks, _ := strings.Cut(a.id.Start, "/")
	mustKill(t, process.Identity{PID: a.id.PID, Start: "another/" + ticks}, process.Survivors{})
	m.mustLive()
}

// Job control puts commands into groups of their own, and a daemon leaves the
// session.
func TestSurvivorsSession(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "fork=3", "regroup", "tell=group", "await", "await", "escape=3", "tell=free", "await", "tell=alive", "await")
	leader, group := f.accept(), f.accept()
	leader.hear("up")
	group.hear("group")
	leader.goOn() // to let the daemon go
	daemon := f.up("free")
	a.kill()
	mustKill(t, a.id, process.Survivors{Killed: 2, Detached: 1})
	leader.mustBeDead()
	group.mustBeDead()
	daemon.mustLive()
}

// Where only the mark is known, the oldest that bears it and leads a session is
// the leader.
func TestSurvivorsByMark(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "await", "escape=3", "tell=free", "await", "tell=alive", "unmark", "fork=2", "tell=naked", "await", "await")
	leader := f.up("up")
	leader.goOn() // to let the daemon go, and to fork
	daemon, naked := f.accept(), f.accept()
	for _, m := range []*member{daemon, naked} {
		if m.line() == "naked" && m == daemon { // they come as they like
			daemon, naked = naked, daemon
		}
	}
	a.kill()
	mustSpare(t, process.Identity{}, process.Survivors{Killed: 2, Detached: 1}, "was not recorded")
	leader.mustBeDead()
	naked.mustBeDead()
	daemon.mustLive()
}

// Where the oldest leads no session, the leader has gone, and which session was
// its is not known.
func TestSurvivorsByMarkAlone(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "await", "tell=alive")
	buried(t, a.id.PID)
	mustSpare(t, process.Identity{}, process.Survivors{Detached: 1}, "was not recorded")
	child.mustLive()
}

// An agent that the command itself has started does not end itself.
func TestSurvivorsOwnSession(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "fork=2", "tell=up", "hunt", "await")
	members := []*member{f.up("up"), f.up("up")}
	a.kill()
	// The leader awaits any byte and so is ended by the question.
	for _, m := range members {
		tell(m.link, fmt.Sprint(a.id.PID, " ", a.id.Start, " ", markOf(t)))
	}
	for _, m := range members {
		answer := make([]byte, 200)
		if n, _ := m.link.Read(answer); n > 0 {
			if got := string(answer[:n]); !strings.HasPrefix(got, "0 0 this agent runs in its session") && !strings.HasPrefix(got, "0 1 this agent runs in its session") {
				t.Errorf("%q", got)
			}
			return
		}
	}
	t.Error("no answer")
}

// One that may not be killed is not called dead.
func TestSurvivorsForbidden(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a hunter that is not allowed to kill")
	}
	f := newFamily(t)
	address := f.listener.Addr().String()
	for file, mode := range map[string]os.FileMode{filepath.Dir(address): 0o711, address: 0o777} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	a := f.agent("tell=up", "fork=4", "regroup", "tell=up", "await", "tell=alive", "await", "tell=alive")
	members := []*member{f.up("up"), f.up("up")}
	a.kill()
	s := f.spec("hunt")
	hunter := exec.Command("/proc/self/exe", "hunt") // its directory may be closed to others
	hunter.Env = s.Env
	hunter.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := hunter.Start(); err != nil {
		t.Fatal(err)
	}
	m := f.accept()
	tell(m.link, fmt.Sprint(a.id.PID, " ", a.id.Start, " ", markOf(t)))
	if got := m.line(); !strings.HasPrefix(got, "0 0 processes ") || !strings.HasSuffix(got, " of it could not be ended") {
		t.Errorf("%q", got)
	}
	_ = hunter.Wait()
	for _, m := range members {
		m.mustLive()
	}
}

// relay is a shell's process that forks and ends, again and again, so that no
// look meets it where the last one did.
const relay = `r() { n=$(($1-1)); [ $n -gt 0 ] && r $n & }; r 300000; `

// A family that forks while it is looked for is ended, or said to live.
func TestSurvivorsRelay(t *testing.T) {
	for name, command := range map[string]string{
		"leader":      relay + "read forever",
		"job control": "set -m; " + relay + "read forever",
		"dead leader": relay + "kill -9 $PPID; sleep 0.05",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			a := f.shellAgent(command)
			if name == "dead leader" {
				_ = a.cmd.Wait()
				awaitEnd(t, fmt.Sprint(a.id.PID))
			}
			a.kill()
			s, err := process.KillSurvivors(a.id, markOf(t))
			alive := bearers(markOf(t))
			if err == nil && alive > 0 || err != nil && name != "dead leader" {
				t.Errorf("%+v, %v, but %d live", s, err, alive)
			}
			t.Logf("%+v, %v, %d live", s, err, alive)
			for end := time.Now().Add(patience); bearers(markOf(t)) > 0 && time.Now().Before(end); {
				_ = unix.Kill(-a.id.PID, unix.SIGKILL)
			}
		})
	}
}
