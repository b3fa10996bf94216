package process

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"warren/internal/agent/process/proctree"

	"golang.org/x/sys/unix"
)

// start starts the leader in its own cgroup if possible, otherwise without one.
func (l *leader) start(attr *syscall.SysProcAttr) error {
	pidfd := -1
	attr.PidFD = &pidfd
	again := *l.cmd // os/exec starts a Cmd only once
	l.cgroup = proctree.NewCgroup(l.mark)
	err := errors.ErrUnsupported
	if fd := l.cgroup.OpenDir(); fd >= 0 {
		in := *attr
		in.UseCgroupFD, in.CgroupFD = true, fd
		l.cmd.SysProcAttr = &in
		err = l.cmd.Start()
		_ = unix.Close(fd)
	}
	if err != nil {
		l.cgroup.Remove()
		l.cgroup, l.cmd = nil, &again
		l.cmd.SysProcAttr = attr
		if e := l.cmd.Start(); e != nil {
			return e
		}
		if proctree.IsErrno(err, unix.ENOSYS) || proctree.IsErrno(err, unix.EINVAL) { // the kernel does not support it
			proctree.CgroupsDisabled.Store(true)
		}
	}
	l.exit = newAwaiter(pidfd)
	return nil
}

// An awaiter waits for the leader's exit without a thread: the Go runtime's poller
// watches the leader's pidfd. file is nil if the system has no pidfds (Linux before
// 5.4, some sandboxes); then a thread waits.
type awaiter struct{ file *os.File }

func newAwaiter(pidfd int) awaiter {
	if pidfd < 0 {
		return awaiter{}
	}
	_ = unix.SetNonblock(pidfd, true) // os.NewFile registers only non-blocking descriptors
	f := os.NewFile(uintptr(pidfd), "pidfd")
	if f.SetReadDeadline(time.Time{}) != nil { // not registered
		f.Close()
		return awaiter{}
	}
	return awaiter{f}
}

func (a awaiter) close() {
	if a.file != nil {
		a.file.Close()
	}
}

// wait returns when the leader has exited, or returns an error when close is called.
// It leaves the leader a zombie (WNOWAIT), so that the system does not reuse its ids.
func (l *leader) wait() error {
	if l.exit.file != nil {
		conn, err := l.exit.file.SyscallConn()
		if err != nil {
			return err
		}
		return conn.Read(func(uintptr) bool { return l.exited() })
	}
	_, err := l.waitid(0)
	return err
}

// canCancelWait reports whether close ends wait.
func (l *leader) canCancelWait() bool { return l.exit.file != nil }

// exited reports whether the leader is a zombie.
func (l *leader) exited() bool {
	info, err := l.waitid(unix.WNOHANG)
	return err != nil || info.Signo != 0 // 0: it has not exited, waitid(2)
}

func (l *leader) waitid(options int) (info unix.Siginfo, err error) {
	for {
		err = unix.Waitid(unix.P_PID, l.pid(), &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return info, err
		}
	}
}

// identity returns the identity of the process or its zombie.
func (l *leader) identity() proctree.Identity {
	s, err := proctree.ReadStat(l.pid())
	if err != nil {
		return proctree.Identity{PID: l.pid()}
	}
	return s.Identity()
}

// mayHaveLeftovers reports whether processes of an ended command may be alive outside
// its cgroup. If this program adopts orphans, such a process is an orphan or a
// descendant of one. Otherwise, if there is no cgroup, it looks only for processes in
// the command's session.
func (l *leader) mayHaveLeftovers() bool {
	orphans, ok := children.orphans()
	if !ok {
		return l.cgroup == nil && anyInSession(l.pid())
	}
	for _, pid := range orphans {
		if sid, err := unix.Getsid(pid); err == nil && sid == l.pid() || proctree.HasEnvEntry(pid, l.mark) {
			return true
		}
	}
	return len(orphans) > 0 && children.isOnlyCommand(l)
}

// likelyOrphans returns the orphans that cannot be verified as this command's, but
// that no other command can have started: they are newer than the leader, no other
// command has run since, and their environment has no command's mark. They are counted
// and never signaled. It omits the processes in found.
func (l *leader) likelyOrphans(found []proctree.Stat) (all []proctree.Stat) {
	orphans, ok := children.orphans()
	if !ok || l.cgroup != nil || !children.isOnlyCommand(l) {
		return nil
	}
	name, _, _ := strings.Cut(l.mark, "=")
	for _, pid := range orphans {
		s, err := proctree.ReadStat(pid)
		if slices.ContainsFunc(found, func(f proctree.Stat) bool { return f.PID == pid }) {
			continue
		}
		if err == nil && !s.IsDead() && s.Session != l.pid() && s.StartTime >= proctree.StartTimeOf(l.id) && !proctree.HasEnvName(pid, name) {
			all = append(all, s)
		}
	}
	return all
}

// anyInSession asks the kernel for the session of each process, which is fifty times
// as fast as reading /proc/PID/stat.
func anyInSession(sid int) bool {
	pids, err := proctree.ProcessIDs()
	if err != nil {
		return true
	}
	for _, pid := range pids {
		if s, err := unix.Getsid(pid); pid != sid && (err != nil && err != unix.ESRCH || s == sid) {
			return true
		}
	}
	return false
}
