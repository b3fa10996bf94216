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

// start starts the leader in a cgroup of its own where that can be done, and
// without one otherwise.
func (l *leader) start(attr *syscall.SysProcAttr) error {
	pidfd := -1
	attr.PidFD = &pidfd
	again := *l.cmd // which os/exec starts once only
	l.group = proctree.NewCgroup(l.mark)
	err := errors.ErrUnsupported
	if fd := l.group.OpenDir(); fd >= 0 {
		in := *attr
		in.UseCgroupFD, in.CgroupFD = true, fd
		l.cmd.SysProcAttr = &in
		err = l.cmd.Start()
		_ = unix.Close(fd)
	}
	if err != nil {
		l.group.Remove()
		l.group, l.cmd = nil, &again
		l.cmd.SysProcAttr = attr
		if e := l.cmd.Start(); e != nil {
			return e
		}
		if proctree.IsErrno(err, unix.ENOSYS) || proctree.IsErrno(err, unix.EINVAL) { // the kernel does not know how
			proctree.CgroupsDisabled.Store(true)
		}
	}
	l.end = newAwaiter(pidfd)
	return nil
}

// An awaiter waits for the leader's exit without a thread: its pidfd is
// registered with the Go runtime's poller. file is nil where there are no pidfds
// (Linux before 5.4, some sandboxes); then a thread waits.
type awaiter struct{ file *os.File }

func newAwaiter(pidfd int) awaiter {
	if pidfd < 0 {
		return awaiter{}
	}
	_ = unix.SetNonblock(pidfd, true) // which makes os.NewFile register it
	f := os.NewFile(uintptr(pidfd), "pidfd")
	if f.SetReadDeadline(time.Time{}) != nil { // it is not registered
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

// wait returns when the leader has exited and leaves it a zombie (WNOWAIT), so
// that its ids stay its own; or, with an error, when close is called.
func (l *leader) wait() error {
	if l.end.file != nil {
		conn, err := l.end.file.SyscallConn()
		if err != nil {
			return err
		}
		return conn.Read(func(uintptr) bool { return l.exited() })
	}
	_, err := l.waitid(0)
	return err
}

// cancelable reports whether close ends wait.
func (l *leader) cancelable() bool { return l.end.file != nil }

// exited tells whether the leader is a zombie by now.
func (l *leader) exited() bool {
	info, err := l.waitid(unix.WNOHANG)
	return err != nil || info.Signo != 0 // 0: nothing to wait for yet, waitid(2)
}

func (l *leader) waitid(options int) (info unix.Siginfo, err error) {
	for {
		err = unix.Waitid(unix.P_PID, l.pid(), &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return info, err
		}
	}
}

// identity is that of the process or its zombie.
func (l *leader) identity() proctree.Identity {
	s, err := proctree.ReadStat(l.pid())
	if err != nil {
		return proctree.Identity{PID: l.pid()}
	}
	return s.Identity()
}

// mayHaveLeft reports whether something of an ended command may be alive outside
// its cgroup. Where orphans become this program's children that is one of them, or
// a descendant of one; elsewhere, without a cgroup, only the command's session is
// looked at.
func (l *leader) mayHaveLeft() bool {
	orphans, ok := children.orphans()
	if !ok {
		return l.group == nil && anyInSession(l.pid())
	}
	for _, pid := range orphans {
		if sid, err := unix.Getsid(pid); err == nil && sid == l.pid() || proctree.HasEnvEntry(pid, l.mark) {
			return true
		}
	}
	return len(orphans) > 0 && children.alone(l)
}

// strays are orphans that nothing proves to be this command's, but that no other
// command can have started: they are newer than its leader, no other command has
// been running since, and no command's mark is in their environment. They are
// counted and never signaled. Those that are found already are left out.
func (l *leader) strays(found []proctree.Stat) (all []proctree.Stat) {
	orphans, ok := children.orphans()
	if !ok || l.group != nil || !children.alone(l) {
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

// anyInSession asks the kernel for the session of each process, which is fifty
// times as fast as to read about each.
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
