package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// procStat is what /proc/PID/stat says of a process, see proc_pid_stat(5).
type procStat struct {
	pid     int
	name    string // at most 15 bytes
	state   byte
	ppid    int
	pgrp    int
	session int
	flags   uint64
	threads int
	start   uint64 // clock ticks since the boot
}

func readStat(pid int) (procStat, error) {
	// As few system calls as can be: a look does this for each process.
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procStat{}, err
	}
	defer unix.Close(fd)
	text := make([]byte, 1024)
	n, err := unix.Read(fd, text)
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, text[:n])
}

func parseStat(pid int, text []byte) (procStat, error) {
	// Field 2, the command, may hold anything, also blanks and parentheses.
	const first = 3
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= 22-first {
		return procStat{}, errors.ErrUnsupported
	}
	s := procStat{pid: pid, state: fields[0][0]}
	if i := bytes.IndexByte(text, '('); i >= 0 {
		s.name = string(text[i+1 : bytes.LastIndexByte(text, ')')])
	}
	var errs [6]error
	s.ppid, errs[5] = strconv.Atoi(fields[4-first])
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

// startOf is the start time in an identity; 0 where it is not known.
func startOf(id Identity) uint64 {
	_, ticks, _ := strings.Cut(id.Start, "/")
	start, _ := strconv.ParseUint(ticks, 10, 64)
	return start
}

// otherBoot reports whether an identity is of before the machine was started.
func otherBoot(id Identity) bool {
	boot, _, known := strings.Cut(id.Start, "/")
	return known && boot != "" && bootID() != "" && boot != bootID()
}

// uidOf is the effective user of a process.
func uidOf(s procStat) (uint32, error) { return statusUID(s.pid, 2) }

// realUID is the user who has started it.
func realUID(pid int) (uint32, error) { return statusUID(pid, 1) }

func statusUID(pid, field int) (uint32, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > field && string(fields[0]) == "Uid:" {
			uid, err := strconv.ParseUint(string(fields[field]), 10, 32)
			return uint32(uid), err
		}
	}
	return 0, errors.ErrUnsupported
}

var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})

// processIDs lists all processes that are to be seen.
func processIDs() ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 { // not even this program
		return nil, errors.New("/proc shows no processes")
	}
	return pids, nil
}

// snapshot lists all processes but this program, zombies included. A process that
// ends meanwhile may be missing; any other process that cannot be read is an error.
func snapshot() ([]procStat, error) {
	pids, err := processIDs()
	if err != nil {
		return nil, err
	}
	all := make([]procStat, 0, len(pids))
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		switch s, err := readStat(pid); {
		case err == nil:
			all = append(all, s)
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH):
			return nil, fmt.Errorf("reading process %d: %w", pid, err)
		}
	}
	return all, nil
}

// bears reports whether the environment with which a process's program was
// started has the entry mark. Another user's cannot be read, except by root.
func bears(pid int, mark string) bool {
	return mark != "" && slices.Contains(environOf(pid), mark)
}

// hasVariable reports whether that environment has a variable of this name.
func hasVariable(pid int, name string) bool {
	return name != "" && slices.ContainsFunc(environOf(pid), func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

func environOf(pid int) []string {
	environ, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return strings.Split(string(environ), "\x00")
}
