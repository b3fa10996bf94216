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

// awaiter is empty: a thread waits.
type awaiter struct{}

func (awaiter) close() {}

// canCancelWait reports whether close ends wait.
func (*leader) canCancelWait() bool { return false }

// wait returns when the leader has exited. It leaves the leader a zombie, so that the
// system does not reuse its ids. On macOS, waitid with WNOWAIT also returns for a
// stopped process (go.dev/issue/19314), so wait uses kqueue.
func (l *leader) wait() error {
	if l.awaitExit() == nil {
		return nil
	}
	for !l.exited() { // probably out of descriptors: poll
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
			return nil // it is already a zombie
		case err != nil || n == 1:
			return err
		}
	}
}

// exited reports whether the leader is a zombie.
func (l *leader) exited() bool {
	s, err := proctree.ReadStat(l.pid())
	return err != nil || s.IsDead()
}

// identity returns the identity of the process or its zombie.
func (l *leader) identity() proctree.Identity {
	s, err := proctree.ReadStat(l.pid())
	if err != nil {
		return proctree.Identity{PID: l.pid()}
	}
	return s.Identity()
}

// mayHaveLeftovers reports whether processes of an ended command may be alive.
func (l *leader) mayHaveLeftovers() bool { return true }

// likelyOrphans returns nil: on macOS orphans do not become children of this program.
func (l *leader) likelyOrphans([]proctree.Stat) []proctree.Stat { return nil }
