//go:build unix

package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A held process is the one that a look has seen, and no later one with its id.
// On Linux os.FindProcess holds it by a pidfd, pidfd_open(2), and it was there
// after that as in the look. Without pidfds (Linux before 5.4, some sandboxes,
// macOS) a stranger could only be hit if the process ended and its id went round
// all others between two system calls.
type held struct {
	procStat
	process *os.Process
}

// hold returns nil where the process is no more.
func hold(seen procStat) *held {
	p, err := os.FindProcess(seen.pid)
	if err != nil {
		return nil
	}
	s, err := readStat(seen.pid)
	h := &held{s, p}
	if err != nil || s.birth() != seen.birth() || !h.there() {
		h.release()
		return nil
	}
	return h
}

// there reports whether the process, or its zombie, still has its id, and so
// keeps the ids of its group and session from being given out again.
func (h *held) there() bool {
	err := h.process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, unix.EPERM)
}

// signal sends signals until one fails.
func (h *held) signal(signals ...unix.Signal) error {
	for _, s := range signals {
		if err := h.process.Signal(s); err != nil {
			return err
		}
	}
	return nil
}

// signalGroup signals the group g in one step where the process is in it. The
// error is nil if that reached anybody.
func (h *held) signalGroup(g int, signals ...unix.Signal) error {
	if h.pgrp != g || !h.there() {
		return os.ErrProcessDone
	}
	for _, s := range signals {
		if err := unix.Kill(-g, s); err != nil {
			return err
		}
	}
	return nil
}

// withHeld calls do with the process that a look has seen, where it is still there.
func withHeld(seen procStat, do func(*held) error) error {
	p := hold(seen)
	if p == nil {
		return os.ErrProcessDone
	}
	defer p.release()
	return do(p)
}

func (h *held) release() { _ = h.process.Release() }

// alive reports whether a process has not ended. A zombie has.
func alive(b birth) bool {
	s, err := readStat(b.pid)
	return err == nil && s.birth() == b && !s.dead()
}

func isErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }
