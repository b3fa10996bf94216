package part

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Self is what this process has used.
func Self() (Used, error) {
	var own, children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return Used{}, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return Used{}, err
	}
	peak, err := memory(os.Getpid(), "VmHWM")
	return Used{CPU: rusage(&own) + rusage(&children), Peak: peak}, err
}

func rusage(r *syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// PeakOf is the peak of the memory of a process that has ended. It is at least
// that of its parent at the time of its start (getrusage(2), ru_maxrss).
func PeakOf(p *os.ProcessState) int64 {
	r, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return r.Maxrss << 10
}

// fresh lets the peak of the memory begin at what is in use (proc(5), clear_refs).
func fresh() error { return FreshOf(os.Getpid()) }

// FreshOf does so for any process of ours.
func FreshOf(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// Of is what any process has used: the sum over its threads, which are counted in
// nanoseconds, and its children that have ended, in hundredths of a second.
func Of(pid int) (u Used, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return u, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		ran, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ran, 10, 64)
		u.CPU += time.Duration(n)
	}
	children, err := childrenOf(pid)
	if err != nil {
		return u, err
	}
	u.CPU += children
	u.Peak, err = memory(pid, "VmHWM")
	return u, err
}

// childrenOf is the time of the children that have ended: fields 16 and 17 of
// /proc/PID/stat, of which the second may hold any character (proc(5)).
func childrenOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(fields[13], 10, 64)
	system, _ := strconv.ParseInt(fields[14], 10, 64)
	return time.Duration(user+system) * tick, nil
}

// tick is the unit of /proc, the same on all architectures that Go knows.
const tick = 10 * time.Millisecond

// Resident is the memory that a process has now.
func Resident(pid int) (int64, error) { return memory(pid, "VmRSS") }

// Pages is the memory that a process has now: what it has alone, and what it shares with others that
// have the same files open as programs or libraries.
func Pages(pid int) (own, shared int64, err error) {
	if own, err = memory(pid, "RssAnon"); err == nil {
		shared, err = memory(pid, "RssFile")
	}
	return own, shared, err
}

// WakeUps is how often the threads of a process have begun to run.
func WakeUps(pid int) (n int64, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			v, _ := field(string(text), "\n"+name)
			n += v
		}
	}
	return n, err
}

// Overflows counts the connections that the kernel has dropped, of any program,
// because too many waited to be accepted (ListenOverflows of netstat(8)).
func Overflows() (int64, error) {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(text), "\n")
	names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
	for i, name := range names {
		if name == "ListenOverflows" {
			return strconv.ParseInt(values[i], 10, 64)
		}
	}
	return 0, nil
}

// memory is one line of /proc/PID/status, in bytes.
func memory(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	n, err := field(string(text), name)
	return n << 10, err
}

func field(text, name string) (int64, error) {
	_, rest, ok := strings.Cut(text, name+":")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		return 0, fmt.Errorf("/proc says nothing of %s", strings.TrimSpace(name))
	}
	return strconv.ParseInt(words[0], 10, 64)
}
