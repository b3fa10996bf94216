package process

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// procStat is what /proc/PID/stat says of a process, see proc_pid_stat(5).
type procStat struct {
	pid     int
	state   byte
	pgrp    int
	session int
	flags   uint64
	threads int
	start   uint64 // clock ticks since the boot
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, text)
}

func parseStat(pid int, text []byte) (procStat, error) {
	// Field 2, the command, may hold anything, also blanks and parentheses.
	const first = 3
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= 22-first {
		return procStat{}, errors.ErrUnsupported
	}
	s := procStat{pid: pid, state: fields[0][0]}
	var errs [5]error
	s.pgrp, errs[0] = strconv.Atoi(fields[5-first])
	s.session, errs[1] = strconv.Atoi(fields[6-first])
	s.flags, errs[2] = strconv.ParseUint(fields[9-first], 10, 64)
	s.threads, errs[3] = strconv.Atoi(fields[20-first])
	s.start, errs[4] = strconv.ParseUint(fields[22-first], 10, 64)
	return s, errors.Join(errs[:]...)
}

// dead tells a zombie. One with threads is not: only its first thread ended.
func (s procStat) dead() bool {
	return (s.state == 'Z' || s.state == 'X') && s.threads <= 1
}

// exiting is PF_EXITING of linux/sched.h: the end has begun, and the memory,
// with the environment, may be gone.
const exiting = 0x4

func (s procStat) ending() bool { return s.flags&exiting != 0 }

// identity is the pid with the boot's id and the start time in clock ticks since
// that boot: the ticks alone could come again after the next one.
func (s procStat) identity() Identity {
	return Identity{PID: s.pid, Start: bootID() + "/" + strconv.FormatUint(s.start, 10)}
}

var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})

// processes lists all but this program that are to be seen and that may be
// wanted, zombies included.
func processes(wanted func(pid int) bool) ([]procStat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	seen := false
	var all []procStat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		seen = true
		if pid == os.Getpid() || !wanted(pid) {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all = append(all, s)
		}
	}
	if !seen { // not even this program
		return nil, errors.New("/proc shows no processes")
	}
	return all, nil
}

// inSession lists the processes in a session. To ask the kernel first is fifty
// times as fast as to read of each; where it does not say, it is read.
func inSession(sid int) ([]procStat, error) {
	all, err := processes(func(pid int) bool {
		s, err := unix.Getsid(pid)
		return err != nil || s == sid
	})
	return slices.DeleteFunc(all, func(s procStat) bool { return s.session != sid }), err
}

// bears tells whether the environment with which a process's program was
// started has the entry mark. Another user's cannot be read, except by root.
func bears(pid int, mark string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil || mark == "" {
		return false
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == mark {
			return true
		}
	}
	return false
}

// A held process is the one of which the procStat was read, and no later one
// with its id: os.FindProcess holds it by a pidfd, pidfd_open(2), and it was
// there after the look as before. Where there are no pidfds (Linux before 5.4,
// some sandboxes) a stranger could only be hit if the id went round all others
// between two system calls.
type held struct {
	procStat
	process *os.Process
}

// hold returns nil where there is no such process, or not any more.
func hold(pid int) *held {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	s, err := readStat(pid)
	h := &held{s, p}
	if err != nil || !h.there() {
		h.release()
		return nil
	}
	return h
}

// there tells whether the process, or its zombie, still has its id, and so
// keeps the ids of its group and session from being given out again.
func (h *held) there() bool {
	err := h.process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, unix.EPERM)
}

func (h *held) stop() { _ = h.process.Signal(unix.SIGSTOP) }

// killGroup ends all of the process's group in one step: a process that forks
// meanwhile has its child ended too, for the kernel lets no fork pass a signal.
func (h *held) killGroup() {
	if h.pgrp > 1 && h.there() { // kill(2) knows 0 and -1 as other than groups
		_ = unix.Kill(-h.pgrp, unix.SIGKILL)
	}
}

func (h *held) release() { _ = h.process.Release() }
