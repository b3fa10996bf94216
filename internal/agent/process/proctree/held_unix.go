//go:build unix

package proctree

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A handle process is the one that a look has seen, and no later one with its id.
// On Linux os.FindProcess holds it by a pidfd, pidfd_open(2), and it was there
// after that as in the look. Without pidfds (Linux before 5.4, some sandboxes,
// macOS) a stranger could only be hit if the process ended and its id went round
// all others between two system calls.
type handle struct {
	Stat
	process *os.Process
}

// openHandle returns nil where the process is no more.
func openHandle(seen Stat) *handle {
	p, err := os.FindProcess(seen.PID)
	if err != nil {
		return nil
	}
	s, err := ReadStat(seen.PID)
	h := &handle{s, p}
	if err != nil || s.birth() != seen.birth() || !h.isAlive() {
		h.release()
		return nil
	}
	return h
}

// isAlive reports whether the process, or its zombie, still has its id, and so
// keeps the ids of its group and session from being given out again.
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

// signalGroup signals the group g in one step where the process is in it. The
// error is nil if that reached anybody.
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

// withHandle calls do with the process that a look has seen, where it is still there.
func withHandle(seen Stat, do func(*handle) error) error {
	p := openHandle(seen)
	if p == nil {
		return os.ErrProcessDone
	}
	defer p.release()
	return do(p)
}

func (h *handle) release() { _ = h.process.Release() }

// alive reports whether a process has not ended. A zombie has.
func alive(b birth) bool {
	s, err := ReadStat(b.pid)
	return err == nil && s.birth() == b && !s.IsDead()
}

func IsErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }
