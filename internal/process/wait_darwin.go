package process

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// wait returns when the leader has exited and leaves it a zombie, so that its
// group can be signalled before its id is free. On macOS waitid with WNOWAIT
// returns for a stopped process too (go.dev/issue/19314), so it is kqueue that
// is asked.
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

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// exited tells whether the leader is a zombie by now.
func (l *leader) exited() bool {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", l.pid())
	return err != nil || info.Proc.P_stat == zombie
}

// identity is the pid with the time of day at which the process began.
func (l *leader) identity() Identity {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", l.pid())
	if err != nil {
		return Identity{PID: l.pid()}
	}
	return identityOf(info)
}

func identityOf(info *unix.KinfoProc) Identity {
	began := info.Proc.P_starttime
	return Identity{PID: int(info.Proc.P_pid), Start: fmt.Sprintf("%d.%06d", began.Sec, began.Usec)}
}
