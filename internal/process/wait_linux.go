package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

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

// identity is the pid with the boot's id and the start time in clock ticks since
// that boot: the ticks alone could come again after the next one.
func (l *leader) identity() Identity {
	id := Identity{PID: l.pid()}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(id.PID) + "/stat")
	if err != nil {
		return id
	}
	// Field 2, the command, may hold anything, also blanks and parentheses.
	const start = 22 - 3 // field 22 of proc_pid_stat(5), counted from the third
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) > start {
		id.Start = bootID() + "/" + fields[start]
	}
	return id
}

var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})
