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

// reapEvery bounds how often Reap looks at this program's children.
const reapEvery = 100 * time.Millisecond

// Reap makes this program the parent of the orphans of its commands (a child
// subreaper, prctl(2)), so that they can be found, and takes their exit status
// when they end, so that no zombies stay. As process 1 of a container a program
// has orphans anyway. It also removes the cgroups of commands whose background
// processes have ended. It returns nil when ctx ends.
//
// While it runs this program may start processes by Run only: the exit status of
// others might be taken.
func Reap(ctx context.Context) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err == nil {
		children.adopt(true)
		defer func() {
			children.adopt(false)
			_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
		}()
	}
	ended := make(chan os.Signal, 1) // 1: one signal is enough to look
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	r := reaper{seen: map[int]uint64{}}
	for look := time.After(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			if look == nil {
				look = time.After(reapEvery)
			}
		case <-look:
			look = nil
			if r.pass() {
				look = time.After(reapEvery)
			}
			proctree.SweepCgroups(proctree.CgroupMinAge)
		}
	}
}

// A reaper is the state of Reap.
type reaper struct {
	seen map[int]uint64 // orphans that have ended, with the latest start before that was seen
}

// pass reaps the orphans that have ended and reports whether some are left to be
// reaped. One that is seen while a command is being started may be that
// command's leader, which has ended at once: it is left alone until that start is
// over.
func (r *reaper) pass() (again bool) {
	found := map[int]uint64{}
	for _, pid := range childIDs() {
		if !children.mayReap(pid) || !isZombie(pid) {
			continue
		}
		turn, known := r.seen[pid]
		if !known {
			turn = children.latestStart()
		}
		if children.startedBefore(turn) && children.reap(pid) {
			continue
		}
		found[pid] = turn
	}
	r.seen = found
	return len(found) > 0
}

// mayReap reports whether a child is no command's leader.
func (r *registry) mayReap(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaders[pid] == nil
}

func (r *registry) latestStart() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turn
}

// startedBefore reports whether every start up to a turn is over.
func (r *registry) startedBefore(turn uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.starting {
		if t <= turn {
			return false
		}
	}
	return true
}

// reap takes the exit status of a child that is no leader.
func (r *registry) reap(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaders[pid] != nil {
		return false
	}
	delete(r.counted, pid)
	_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil || err == unix.ECHILD
}

func isZombie(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// orphans lists the children of this program that are no leaders and in no
// Result; ok is false where orphans do not become its children.
func (r *registry) orphans() (pids []int, ok bool) {
	if !r.adopts() {
		return nil, false
	}
	all := childIDs()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pid := range all {
		if r.leaders[pid] == nil && !r.counted[pid] {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

func (r *registry) adopts() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.adopting
}

// childIDs lists the children of this program: the kernel keeps them by thread.
func childIDs() (pids []int) {
	threads, _ := os.ReadDir("/proc/self/task")
	if _, err := os.Stat("/proc/thread-self/children"); err != nil { // a kernel without CONFIG_PROC_CHILDREN
		all, _ := proctree.Snapshot()
		for _, s := range all {
			if s.PPID == os.Getpid() {
				pids = append(pids, s.PID)
			}
		}
		return pids
	}
	for _, thread := range threads {
		text, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/children") // a thread may have ended
		for field := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
