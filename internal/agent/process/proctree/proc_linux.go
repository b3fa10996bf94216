package proctree

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

// Stat holds fields of /proc/PID/stat, see proc_pid_stat(5).
type Stat struct {
	PID          int
	Name         string // at most 15 bytes
	state        byte
	PPID         int
	ProcessGroup int
	Session      int
	Flags        uint64
	ThreadCount  int
	StartTime    uint64 // clock ticks since boot
}

func ReadStat(pid int) (Stat, error) {
	// Use few system calls: a scan does this for each process.
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Stat{}, err
	}
	defer func() { _ = unix.Close(fd) }()
	text := make([]byte, 1024)
	n, err := unix.Read(fd, text)
	if err != nil {
		return Stat{}, err
	}
	return parseStat(pid, text[:n])
}

func parseStat(pid int, text []byte) (Stat, error) {
	// Field 2, the command's name, may contain blanks and parentheses.
	const first = 3
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= 22-first {
		return Stat{}, errors.ErrUnsupported
	}
	s := Stat{PID: pid, state: fields[0][0]}
	if i := bytes.IndexByte(text, '('); i >= 0 {
		s.Name = string(text[i+1 : bytes.LastIndexByte(text, ')')])
	}
	var errs [6]error
	s.PPID, errs[5] = strconv.Atoi(fields[4-first])
	s.ProcessGroup, errs[0] = strconv.Atoi(fields[5-first])
	s.Session, errs[1] = strconv.Atoi(fields[6-first])
	s.Flags, errs[2] = strconv.ParseUint(fields[9-first], 10, 64)
	s.ThreadCount, errs[3] = strconv.Atoi(fields[20-first])
	s.StartTime, errs[4] = strconv.ParseUint(fields[22-first], 10, 64)
	return s, errors.Join(errs[:]...)
}

// IsDead reports whether the process is a zombie. If it has other threads, only its
// first thread has ended.
func (s Stat) IsDead() bool {
	return (s.state == 'Z' || s.state == 'X') && s.ThreadCount <= 1
}

// flagExiting is PF_EXITING of linux/sched.h: the process is ending, and its memory,
// which holds the environment, may be gone.
const flagExiting = 0x4

func (s Stat) isExiting() bool { return s.Flags&flagExiting != 0 }

// Identity combines the boot id with the start time in clock ticks since boot, because
// the ticks can repeat after a reboot.
func (s Stat) Identity() Identity {
	return Identity{PID: s.PID, Start: bootID() + "/" + strconv.FormatUint(s.StartTime, 10)}
}

// StartTimeOf returns the start time in an identity, or 0 if it is unknown.
func StartTimeOf(id Identity) uint64 {
	_, ticks, _ := strings.Cut(id.Start, "/")
	start, _ := strconv.ParseUint(ticks, 10, 64)
	return start
}

// IsFromOtherBoot reports whether an identity is from before the latest boot.
func IsFromOtherBoot(id Identity) bool {
	boot, _, known := strings.Cut(id.Start, "/")
	return known && boot != "" && bootID() != "" && boot != bootID()
}

// uidOf returns the effective user of a process.
func uidOf(s Stat) (uint32, error) { return statusUID(s.PID, 2) }

// realUID returns the real user of a process.
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

// ProcessIDs lists all visible processes.
func ProcessIDs() ([]int, error) {
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
	if len(pids) == 0 { // at least this program must be visible
		return nil, errors.New("/proc shows no processes")
	}
	return pids, nil
}

// Snapshot lists all processes except this program, including zombies. It may omit a
// process that ends meanwhile. Any other process that it cannot read is an error.
func Snapshot() ([]Stat, error) {
	pids, err := ProcessIDs()
	if err != nil {
		return nil, err
	}
	all := make([]Stat, 0, len(pids))
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		switch s, err := ReadStat(pid); {
		case err == nil:
			all = append(all, s)
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH):
			return nil, fmt.Errorf("reading process %d: %w", pid, err)
		}
	}
	return all, nil
}

// HasEnvEntry reports whether the environment in which a process's program was started
// has the entry mark. Only root can read the environment of another user's process.
func HasEnvEntry(pid int, mark string) bool {
	return mark != "" && slices.Contains(environOf(pid), mark)
}

// HasEnvName reports whether that environment has a variable with this name.
func HasEnvName(pid int, name string) bool {
	return name != "" && slices.ContainsFunc(environOf(pid), func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

func environOf(pid int) []string {
	environ, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return strings.Split(string(environ), "\x00")
}
