//go:build unix

package proctree

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A handle refers to the process that a scan found, and not to a later process with
// the same id. On Linux, os.FindProcess holds it by a pidfd, pidfd_open(2), and
// openHandle then checks that it is the same process. Without pidfds (Linux before
// 5.4, some sandboxes, macOS) a signal could reach a wrong process only if the process
// ended and the system reused its id between two system calls.
type handle struct {
	Stat
	process *os.Process
}

// openHandle returns nil if the process no longer exists.
func openHandle(seen Stat) *handle {
	p, err := os.FindProcess(seen.PID)
	if err != nil {
		return nil
	}
	s, err := ReadStat(seen.PID)
	h := &handle{s, p}
	if err != nil || s.key() != seen.key() || !h.isAlive() {
		h.release()
		return nil
	}
	return h
}

// isAlive reports whether the process, or its zombie, still has its id. As long as it
// has, the system does not reuse the ids of its group and session.
func (h *handle) isAlive() bool {
	err := h.process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, unix.EPERM)
}

// signal sends signals until one fails.
func (h *handle) signal(signals ...unix.Signal) error {
	for _, s := range signals {
		if err := h.process.Signal(s); err != nil {
			return err
		}
	}
	return nil
}

// signalGroup atomically signals group g if the process is in it. The error is nil if
// the signals reached at least one process.
func (h *handle) signalGroup(g int, signals ...unix.Signal) error {
	if h.ProcessGroup != g || !h.isAlive() {
		return os.ErrProcessDone
	}
	for _, s := range signals {
		if err := unix.Kill(-g, s); err != nil {
			return err
		}
	}
	return nil
}

// withHandle calls do if the process that a scan found still exists.
func withHandle(seen Stat, do func(*handle) error) error {
	p := openHandle(seen)
	if p == nil {
		return os.ErrProcessDone
	}
	defer p.release()
	return do(p)
}

func (h *handle) release() { _ = h.process.Release() }

// alive reports whether a process runs, or may run. A zombie does not.
func alive(b processKey) bool {
	s, err := ReadStat(b.pid)
	if IsErrno(err, unix.EMFILE) || IsErrno(err, unix.ENFILE) || IsErrno(err, unix.EPERM) || IsErrno(err, unix.EACCES) {
		return true // this program may not look
	}
	return err == nil && s.key() == b && !s.IsDead()
}

func IsErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }
