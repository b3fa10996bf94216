package proctree

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// threadRoom is how many threads this program may still create; bounded is false
// where nothing bounds that.
func threadRoom() (room int, bounded bool) {
	room, bounded = cgroupRoom()
	var limit unix.Rlimit
	if os.Geteuid() == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil || limit.Cur == unix.RLIM_INFINITY {
		return room, bounded // root is not bound by RLIMIT_NPROC
	}
	left := max(int(min(limit.Cur, 1<<30))-threadsOf(os.Getuid()), 0)
	if !bounded || left < room {
		return left, true
	}
	return room, true
}

// threadsOf counts the threads of a user, as the kernel does for RLIMIT_NPROC.
func threadsOf(uid int) (n int) {
	pids, _ := ProcessIDs()
	for _, pid := range pids {
		s, err := ReadStat(pid)
		if err != nil {
			continue
		}
		if owner, err := realUID(pid); err == nil && int(owner) == uid {
			n += s.ThreadCount
		}
	}
	return n
}

// cgroupRoom is what pids.max of this program's cgroup leaves.
func cgroupRoom() (room int, bounded bool) {
	number := func(file string) (int, bool) {
		text, err := os.ReadFile(filepath.Join(cgroupBase(), file))
		n, e := strconv.Atoi(strings.TrimSpace(string(text)))
		return n, err == nil && e == nil
	}
	most, ok := number("pids.max")
	current, known := number("pids.current")
	if cgroupBase() == "" || !ok || !known {
		return 0, false
	}
	return max(most-current, 0), true
}
