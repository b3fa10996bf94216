package process

import (
	"syscall"
	"time"

	"warren/internal/agent/process/proctree"

	"golang.org/x/sys/unix"
)

func (l *leader) start(attr *syscall.SysProcAttr) error {
	l.cmd.SysProcAttr = attr
	return l.cmd.Start()
}

// awaiter has nothing to keep: a thread waits.
type awaiter struct{}

func (awaiter) close() {}

// cancelable reports whether close ends wait.
func (*leader) cancelable() bool { return false }

// wait returns when the leader has exited and leaves it a zombie, so that its ids
// stay its own. On macOS waitid with WNOWAIT returns for a stopped process too
// (go.dev/issue/19314), so it is kqueue that is asked.
func (l *leader) wait() error {
	if l.awaitExit() == nil {
		return nil
	}
	for !l.exited() { // out of descriptors, as it seems: ask now and then
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func (l *leader) awaitExit() error {
	queue, err := unix.Kqueue()
	if err != nil {
		return err
	}
	defer unix.Close(queue)
	change := make([]unix.Kevent_t, 1)
	unix.SetKevent(&change[0], l.pid(), unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	change[0].Fflags = unix.NOTE_EXIT
	event := make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(queue, change, event, nil)
		if n == 1 && event[0].Flags&unix.EV_ERROR != 0 {
			err = unix.Errno(event[0].Data)
		}
		switch {
		case err == unix.EINTR:
		case err == unix.ESRCH:
			return nil // it is a zombie already
		case err != nil || n == 1:
			return err
		}
	}
}

// exited tells whether the leader is a zombie by now.
func (l *leader) exited() bool {
	s, err := proctree.ReadStat(l.pid())
	return err != nil || s.IsDead()
}

// identity is that of the process or its zombie.
func (l *leader) identity() proctree.Identity {
	s, err := proctree.ReadStat(l.pid())
	if err != nil {
		return proctree.Identity{PID: l.pid()}
	}
	return s.Identity()
}

// mayHaveLeft reports whether something of an ended command may be alive.
func (l *leader) mayHaveLeft() bool { return true }

// strays: orphans do not become children of this program.
func (l *leader) strays([]proctree.Stat) []proctree.Stat { return nil }
