//go:build unix

package process

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"warren/internal/agent/process/proctree"

	"golang.org/x/sys/unix"
)

// A leader is the process that was started, the leader of its own session and
// process group: the ids of both are its pid. It is not reaped before reap, and
// until then the three ids stay its own.
type leader struct {
	cmd   *exec.Cmd
	id    proctree.Identity
	mark  string
	group *proctree.Cgroup // nil: none
	end   awaiter          // of its exit
	turn  uint64           // of the start, see registry
	first bool             // no other command was running then
}

// startLeader starts cmd in a session of its own, hence in a process group of
// its own. A group alone would leave it the agent's controlling terminal: a
// command that asks for a password on /dev/tty would be stopped by SIGTTIN, or
// read what is typed at another program.
func startLeader(cmd *exec.Cmd, spec Spec) (*leader, error) {
	l := &leader{cmd: cmd, mark: spec.Mark}
	attr := &syscall.SysProcAttr{Setsid: true}
	if spec.User.switches() {
		attr.Credential = &spec.User.credential
	}
	defer proctree.AcquireSlot()()
	if err := children.start(l, func() error { return l.start(attr) }); err != nil {
		return nil, err
	}
	l.id = l.identity()
	return l, nil
}

func (l *leader) pid() int { return l.cmd.Process.Pid }

func (l *leader) tree() *proctree.Tree {
	t := proctree.New(l.id, l.mark, l.group, children.sessions)
	t.LeaderIsChild = true
	return t
}

// stop ends everything that the command has started.
func (l *leader) stop(grace time.Duration) stopped {
	e := l.tree().Stop(grace)
	if strays := l.strays(e.Left); len(strays) > 0 && e.Err == nil {
		e.Left, e.Err = append(e.Left, strays...), proctree.UnverifiedError(strays)
	}
	children.count(e.Left)
	return stopped{reached: e.ReachedLeader, killed: e.Killed, left: proctree.Describe(e.Left), leftCount: len(e.Left), err: e.Err}
}

// leftovers is what is alive of a command whose leader has exited. Most commands
// leave nothing, so that is found out first, without a look at all processes.
func (l *leader) leftovers() (left []proctree.Process, count int) {
	if !l.anyLeft() {
		return nil, 0
	}
	s, err := l.tree().Scan()
	if err != nil {
		return nil, 0
	}
	all := append(s.Living, l.strays(s.Living)...)
	children.count(all)
	return proctree.Describe(all), len(all)
}

func (l *leader) anyLeft() bool {
	defer proctree.AcquireSlot()()
	return !l.group.Remove() || l.mayHaveLeft()
}

// reap takes the leader's status. From here on its ids may be another's.
func (l *leader) reap() (code int, signal string, err error) {
	err = l.cmd.Wait()
	l.close()
	if l.cmd.ProcessState == nil {
		return -1, "", fmt.Errorf("the exit status was lost: %w", err)
	}
	status := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -1, signalName(status.Signal()), nil
	}
	return status.ExitStatus(), "", nil
}

// close gives up what was held for the leader; of one that was not reaped too.
func (l *leader) close() {
	children.forget(l)
	l.end.close()
	l.group.Remove()
}

// signalName is "SIGSEGV"; real-time signals have no name: "SIG34".
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(s))
}

// canEnter asks whether a directory may be made the working directory.
func canEnter(dir string) bool { return unix.Access(dir, unix.X_OK) == nil }
