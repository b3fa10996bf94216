package process

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strconv"
	"time"

	"warren/internal/agent/process/proctree"

	"golang.org/x/sys/unix"
)

// reapInterval is the minimum time between two checks of this program's children.
const reapInterval = 100 * time.Millisecond

// Reap makes this program the parent of the orphans of its commands (a child
// subreaper, prctl(2)), so that they can be found, and takes their exit status when
// they end, so that no zombies remain. As process 1 of a container a program adopts
// orphans anyway. Reap also removes the cgroups of commands whose background processes
// have ended. It returns nil when ctx ends.
//
// While Reap runs, this program must start processes only with Run: Reap could take
// the exit status of others.
func Reap(ctx context.Context) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err == nil {
		children.setSubreaper(true)
		defer func() {
			children.setSubreaper(false)
			_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
		}()
	}
	ended := make(chan os.Signal, 1) // 1: one pending signal is enough
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	r := reaper{seen: map[int]uint64{}}
	for look := time.After(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			if look == nil {
				look = time.After(reapInterval)
			}
		case <-look:
			look = nil
			if r.pass() {
				look = time.After(reapInterval)
			}
			proctree.SweepCgroups(proctree.CgroupMinAge)
		}
	}
}

// A reaper is the state of Reap.
type reaper struct {
	seen map[int]uint64 // ended orphans, with the latest start before reaper saw them
}

// pass reaps the orphans that have ended, and reports whether some remain. A child
// that is seen while a command is being started may be the leader of that command,
// which has already ended. pass does not reap it until that start is finished.
func (r *reaper) pass() (again bool) {
	found := map[int]uint64{}
	for _, pid := range childIDs() {
		if !children.mayReap(pid) || !isZombie(pid) {
			continue
		}
		seq, known := r.seen[pid]
		if !known {
			seq = children.latestStart()
		}
		if children.startsFinished(seq) && children.reap(pid) {
			continue
		}
		found[pid] = seq
	}
	r.seen = found
	return len(found) > 0
}

// mayReap reports whether a child is not a leader.
func (r *registry) mayReap(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaders[pid] == nil
}

func (r *registry) latestStart() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastStart
}

// startsFinished reports whether all starts up to a sequence number are finished.
func (r *registry) startsFinished(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.starting {
		if t <= seq {
			return false
		}
	}
	return true
}

// reap takes the exit status of a child that is not a leader.
func (r *registry) reap(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaders[pid] != nil {
		return false
	}
	delete(r.reported, pid)
	_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil || err == unix.ECHILD
}

func isZombie(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// orphans returns the children of this program that are not leaders and in no Result.
// ok is false if this program does not adopt orphans.
func (r *registry) orphans() (pids []int, ok bool) {
	if !r.isSubreaper() {
		return nil, false
	}
	all := childIDs()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pid := range all {
		if r.leaders[pid] == nil && !r.reported[pid] {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

func (r *registry) isSubreaper() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subreaper
}

// childIDs returns the children of this program. The kernel lists them by thread.
func childIDs() (pids []int) {
	threads, _ := os.ReadDir("/proc/self/task")
	if _, err := os.Stat("/proc/thread-self/children"); err != nil { // the kernel lacks CONFIG_PROC_CHILDREN
		all, _ := proctree.Snapshot()
		for _, s := range all {
			if s.PPID == os.Getpid() {
				pids = append(pids, s.PID)
			}
		}
		return pids
	}
	for _, thread := range threads {
		text, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/children") // the thread may have ended
		for field := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
