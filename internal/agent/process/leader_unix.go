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

// A leader is the started process. It leads its own session and process group, whose
// ids are its pid. Until reap reaps it, the system does not reuse these ids.
type leader struct {
	cmd          *exec.Cmd
	id           proctree.Identity
	mark         string
	cgroup       *proctree.Cgroup // may be nil
	exit         awaiter
	startSeq     uint64 // sequence number of the start, see registry
	startedAlone bool   // no other command was running then
}

// startLeader starts cmd in a new session, and so in a new process group. A new group
// alone would keep the agent's controlling terminal: SIGTTIN would stop a command that
// asks for a password on /dev/tty, or the command would read the input of another
// program.
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
	t := proctree.New(l.id, l.mark, l.cgroup, children.sessions)
	t.LeaderIsChild = true
	return t
}

func (l *leader) stop(grace time.Duration) stopResult {
	e := l.tree().Stop(grace)
	if orphans := l.likelyOrphans(e.Left); len(orphans) > 0 && e.Err == nil {
		e.Left, e.Err = append(e.Left, orphans...), proctree.UnverifiedError(orphans)
	}
	children.markReported(e.Left)
	return stopResult{reached: e.ReachedLeader, killed: e.Killed, left: proctree.Describe(e.Left), leftCount: len(e.Left), err: e.Err}
}

// leftoverScans bounds how often leftovers scans for processes that it knows to exist.
const leftoverScans = 5

// leftovers returns the living processes of a command whose leader has exited. Most
// commands leave none, so it first checks that without a scan of all processes. A scan is
// not atomic: of processes that fork and exit all the time, it may find none.
func (l *leader) leftovers() (left []proctree.Process, count int) {
	for range leftoverScans {
		if !l.hasLeftovers() {
			return nil, 0
		}
		s, err := l.tree().Scan()
		if err != nil {
			return nil, 0
		}
		if all := append(s.Living, l.likelyOrphans(s.Living)...); len(all) > 0 {
			children.markReported(all)
			return proctree.Describe(all), len(all)
		}
	}
	return nil, 0
}

func (l *leader) hasLeftovers() bool {
	defer proctree.AcquireSlot()()
	return !l.cgroup.Remove() || l.mayHaveLeftovers()
}

// reap takes the leader's status. The system may then reuse the leader's ids.
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

// close releases the resources of the leader, even if it was not reaped.
func (l *leader) close() {
	children.forget(l)
	l.exit.close()
	l.cgroup.Remove()
}

// signalName returns a name such as "SIGSEGV". Real-time signals have no name:
// "SIG34".
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(s))
}

// canEnter reports whether the directory can be the working directory.
func canEnter(dir string) bool { return unix.Access(dir, unix.X_OK) == nil }
