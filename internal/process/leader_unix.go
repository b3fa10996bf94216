//go:build unix

package process

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// leader is the process that was started, and the group that it leads: the
// group's id is its pid. It stays unreaped until reap, and with that both ids
// stay its own.
type leader struct{ cmd *exec.Cmd }

// startLeader starts cmd in a session of its own, hence in a process group of
// its own. A group alone would leave it the agent's controlling terminal: a
// command that asks for a password on /dev/tty would be stopped by SIGTTIN, or
// read what is typed at another program.
func startLeader(cmd *exec.Cmd, u *User) (*leader, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if u.switches() {
		cmd.SysProcAttr.Credential = &u.credential
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &leader{cmd}, nil
}

func (l *leader) pid() int { return l.cmd.Process.Pid }

// terminate asks the group to end. A stopped process would not see that before
// it goes on, so it is made to (as systemd does, systemd.kill(5)).
func (l *leader) terminate() {
	_ = unix.Kill(-l.pid(), unix.SIGTERM)
	_ = unix.Kill(-l.pid(), unix.SIGCONT)
}

// kill ends the group. It fails where only processes of other users are left,
// which nothing can be done about.
func (l *leader) kill() { _ = unix.Kill(-l.pid(), unix.SIGKILL) }

// reap takes the leader's status. From here on its ids may be another's.
func (l *leader) reap() (code int, signal string, err error) {
	err = l.cmd.Wait()
	if l.cmd.ProcessState == nil {
		return -1, "", fmt.Errorf("the exit status was lost: %w", err)
	}
	status := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -1, signalName(status.Signal()), nil
	}
	return status.ExitStatus(), "", nil
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
