package process_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/agent/process"
)

// adopt makes this program adopt orphans, so that the test decides when a leader is
// reaped.
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

// orphans returns an agent that was killed and the child of its command. The command's
// leader has exited and is a zombie. words are those of the child.
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
	if err := unix.Waitid(unix.P_PID, a.id.PID, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		f.t.Fatal(err)
	}
	return a, m
}

func TestSurvivorsOfDeadLeader(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "ignore", "await")
	buried(t, a.id.PID)
	mustKill(t, a.id, 1)
	child.mustBeDead()
}

// Children of a marked process belong to the command even without the mark.
func TestSurvivorsUnmarkedBesideMarked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "unmark", "fork=3", "regroup", "tell=naked", "await", "await")
	naked := f.up("naked")
	buried(t, a.id.PID)
	mustKill(t, a.id, 2)
	child.mustBeDead()
	naked.mustBeDead()
}

// The leader's zombie identifies the command as well as the living leader.
func TestSurvivorsOfZombie(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(true, "await")
	mustKill(t, a.id, 1)
	child.mustBeDead()
	buried(t, a.id.PID)
}

// A group with the leader's id may belong to another command if its leader is gone,
// unless a cgroup proves otherwise.
func TestSurvivorsUnmarked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(true, "await", "tell=alive")
	buried(t, a.id.PID)
	if process.HasCgroups() {
		mustKill(t, a.id, 1)
		child.mustBeDead()
		return
	}
	mustSpare(t, a.id, 0, "may belong to the command")
	child.mustLive()
}

// If the leader's start time is unknown, the mark identifies the leader.
func TestSurvivorsWithoutStart(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "await")
	m := f.up("up")
	a.kill()
	mustKill(t, process.Identity{PID: a.id.PID}, 1)
	m.mustBeDead()
}

func TestSurvivorsOfAnotherBoot(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "await", "tell=alive")
	buried(t, a.id.PID)
	_, ticks, _ := strings.Cut(a.id.Start, "/")
	mustKill(t, process.Identity{PID: a.id.PID, Start: "another/" + ticks}, 0)
	child.mustLive()
}

// Job control moves commands to their own groups, and a daemon leaves the session.
func TestSurvivorsSession(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "fork=3", "regroup", "tell=group", "await", "await", "escape=2", "tell=free", "await", "await")
	leader, group := f.accept(), f.accept()
	leader.hear("up")
	group.hear("group")
	leader.goOn() // to let the daemon go
	daemon := f.up("free")
	a.kill()
	mustKill(t, a.id, 3)
	leader.mustBeDead()
	group.mustBeDead()
	daemon.mustBeDead()
}

// If no leader was recorded, the mark finds the command's processes, their children
// and their sessions. Only a cgroup makes certain that there are no others.
func TestSurvivorsByMark(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=up", "await", "escape=2", "tell=free", "await", "unmark", "fork=2", "tell=naked", "await", "await")
	leader := f.up("up")
	leader.goOn() // to let the daemon go, and to fork
	others := []*member{f.accept(), f.accept()}
	for _, m := range others {
		m.line()
	}
	a.kill()
	mustEnd(t, 3)
	leader.mustBeDead()
	for _, m := range others {
		m.mustBeDead()
	}
}

func TestSurvivorsByMarkAlone(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a, child := f.orphans(false, "await")
	buried(t, a.id.PID)
	mustEnd(t, 1)
	child.mustBeDead()
}

// mustEnd ends a command whose leader was not recorded.
func mustEnd(t *testing.T, want int) {
	t.Helper()
	if process.HasCgroups() {
		mustKill(t, process.Identity{}, want)
	} else {
		mustSpare(t, process.Identity{}, want, "was not recorded")
	}
}

// An agent that the command itself has started does not end itself.
func TestSurvivorsOwnSession(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	a := f.agent("tell=leader", "fork=2", "tell=hunter", "hunt", "await", "tell=alive")
	leader, hunter := f.accept(), f.accept()
	leader.hear("leader")
	hunter.hear("hunter")
	a.kill()
	tell(hunter.link, fmt.Sprint(a.id.PID, " ", a.id.Start, " ", markOf(t)))
	if got := hunter.line(); !strings.HasPrefix(got, "0 0 the command started this agent") {
		t.Errorf("%q", got)
	}
	leader.mustLive()
}

// A process that may not be signaled is reported as alive, and the others are still
// ended.
func TestSurvivorsForbidden(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a hunter that is not allowed to kill")
	}
	f := newFamily(t)
	f.open()
	a := f.agent("tell=root", "fork=4", "regroup", "tell=root", "await", "tell=alive", "await", "become=65534", "tell=nobody", "await")
	leader, other := f.up("root"), f.up("root")
	leader.goOn() // to change its user
	leader.hear("nobody")
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
	if got := m.line(); !strings.HasPrefix(got, "1 1 process ") || !strings.HasSuffix(got, " of root could not be signaled") {
		t.Errorf("%q", got)
	}
	_ = hunter.Wait()
	leader.mustBeDead() // and not stopped
	other.mustLive()
}

// A process that is not visible is not reported as ended.
func TestSurvivorsHidden(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can hide processes")
	}
	f := newFamily(t)
	f.open()
	a, child := f.orphans(false, "await", "tell=alive")
	buried(t, a.id.PID)
	s := f.spec()
	hunter := exec.Command("/bin/sh", "-c", `mount -t proc -o hidepid=2,gid=65534 proc /proc && exec "$0" tell=hidden become=65534 hunt; exec "$0" tell=refused`, s.Argv[0])
	hunter.Env = s.Env
	hunter.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := hunter.Start(); err != nil {
		t.Skipf("no mounts of our own: %v", err)
	}
	defer func() { _ = hunter.Wait() }()
	m := f.accept()
	if m.line() != "hidden" {
		t.Skip("/proc cannot be mounted here")
	}
	tell(m.link, fmt.Sprint(a.id.PID, " ", a.id.Start, " ", markOf(t)))
	if got := m.line(); !strings.HasPrefix(got, "0 0 hidden processes may still run in its process group ") {
		t.Errorf("%q", got)
	}
	child.mustLive()
}

// open lets other users join the family.
func (f *family) open() {
	f.t.Helper()
	address := f.listener.Addr().String()
	for file, mode := range map[string]os.FileMode{filepath.Dir(address): 0o711, address: 0o777} {
		if err := os.Chmod(file, mode); err != nil {
			f.t.Fatal(err)
		}
	}
}

// relay is a process that forks and exits repeatedly, so that each scan misses it. It
// is short, because it uses up process ids and zombies. It writes its group's id, and
// the pipe is open as long as one of its processes is alive.
const relay = `exec 9>%s; echo $$ >&9; r() { if [ $1 -gt 0 ]; then r $(($1-1)) & fi; }; r 900; `

// A family that forks during scans is ended or reported as alive, with and without
// zombies that this test adopts.
func TestSurvivorsOfForkingProcess(t *testing.T) {
	const run = "sh=" + relay
	for name, words := range map[string][]string{
		"leader":      {run + "sleep 60"},
		"other group": {"fork=2", "regroup", run, "await"},
		"no leader":   {run + "kill -9 $PPID"},
	} {
		for _, adopted := range []uintptr{0, 1} {
			t.Run(fmt.Sprint(name, adopted), func(t *testing.T) {
				if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, adopted, 0, 0, 0); err != nil {
					t.Fatal(err)
				}
				testRelay(t, words, name)
			})
		}
	}
}

func testRelay(t *testing.T, words []string, name string) {
	f := newFamily(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	words = slices.Clone(words)
	for i, word := range words {
		words[i] = strings.ReplaceAll(word, "%s", pipe)
	}
	a := f.agent(words...)
	alive, err := os.Open(pipe) // waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	var group int
	if _, err := fmt.Fscanln(alive, &group); err != nil {
		t.Fatal(err)
	}
	a.kill()
	if name == "no leader" { // else the leader's zombie would do
		_, err := unix.Wait4(a.id.PID, nil, 0, nil)
		for end := time.Now().Add(2 * time.Second); err != nil && unix.Kill(a.id.PID, 0) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Skip("whoever adopts orphans here leaves their zombies lying about")
			}
		}
	}
	s, err := process.KillSurvivors(a.id, markOf(t), grace)
	if err != nil && name == "leader" {
		t.Errorf("%+v, %v", s, err)
	}
	// The kernel may close the files of a process after it has become a zombie.
	for err == nil && !hungUp(t, alive) {
		if living := livingIn(group); len(living) > 0 {
			t.Fatalf("%+v, and %s lives", s, living)
		}
		time.Sleep(time.Millisecond)
	}
	_ = alive.SetReadDeadline(time.Now().Add(patience))
	if _, err := alive.Read(make([]byte, 1)); err != io.EOF { // else the relay has come to its end
		t.Fatal(err)
	}
	for err := error(nil); err == nil; { // those that were adopted
		_, err = unix.Wait4(-group, nil, 0, nil)
	}
}

// livingIn lists the processes of a group except zombies.
func livingIn(group int) (stats []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			stats = append(stats, string(text))
		}
	}
	return stats
}

// hungUp reports whether no process has the other end of a pipe open.
func hungUp(t *testing.T, pipe *os.File) bool {
	t.Helper()
	conn, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Events: unix.POLLIN}}
	if err := conn.Control(func(fd uintptr) {
		poll[0].Fd = int32(fd)
		_, err = unix.Poll(poll, 0)
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return poll[0].Revents&unix.POLLHUP != 0
}
