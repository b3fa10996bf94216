package process

import "golang.org/x/sys/unix"

// wait returns when the leader has exited and leaves it a zombie (WNOWAIT), so
// that its group can be signalled before its id is free.
func (l *leader) wait() error {
	_, err := l.waitid(0)
	return err
}

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
func (l *leader) identity() Identity {
	s, err := readStat(l.pid())
	if err != nil {
		return Identity{PID: l.pid()}
	}
	return s.identity()
}
