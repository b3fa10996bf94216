package proctree

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// availableThreads returns how many threads this program may still create. limited is
// false if there is no limit.
func availableThreads() (available int, limited bool) {
	available, limited = availableInCgroup()
	var limit unix.Rlimit
	if os.Geteuid() == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil || limit.Cur == unix.RLIM_INFINITY {
		return available, limited // RLIMIT_NPROC does not limit root
	}
	left := max(int(min(limit.Cur, 1<<30))-countThreads(os.Getuid()), 0)
	if !limited || left < available {
		return left, true
	}
	return available, true
}

// countThreads counts the threads of a user, as the kernel does for RLIMIT_NPROC.
func countThreads(uid int) (n int) {
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

// availableInCgroup returns how many threads pids.max of this program's cgroup still
// permits.
func availableInCgroup() (available int, limited bool) {
	number := func(file string) (int, bool) {
		text, err := os.ReadFile(filepath.Join(ownCgroupDir(), file))
		n, e := strconv.Atoi(strings.TrimSpace(string(text)))
		return n, err == nil && e == nil
	}
	limit, ok := number("pids.max")
	current, currentOK := number("pids.current")
	if ownCgroupDir() == "" || !ok || !currentOK {
		return 0, false
	}
	return max(limit-current, 0), true
}
