package proctree

import (
	"runtime"
	"sync"
)

const (
	// runtimeThreads is the number of threads that the agent needs besides those that
	// start commands: for the Go runtime, signals, the journal's sync, output, and the
	// log.
	runtimeThreads = 8
	// maxParallelStarts limits how many commands are expected to start at the same moment,
	// for any number of workers.
	maxParallelStarts = 16
	// minSlots is the smallest usable number of slots.
	minSlots = 1
)

// slots limits how many starts of commands and scans of processes run at the same
// time, because each blocks a thread. nil means no limit. Only ReserveThreads sets it,
// before anything else runs.
var slots chan struct{}

// AcquireSlot waits for a slot and returns the function that releases it.
func AcquireSlot() func() {
	if slots == nil {
		return func() {}
	}
	slots <- struct{}{}
	return func() { <-slots }
}

// ReserveThreads creates the threads that a program with this many workers needs. The
// Go runtime ends the program if it cannot create a thread, for example when a command
// has used up the processes that this user or cgroup may have. The runtime keeps every
// thread that exists. If the system permits only a few threads, ReserveThreads leaves
// a third of them to commands, and limits how many commands start at the same time.
// Call it before anything else in this package.
func ReserveThreads(workers int) {
	wanted := min(workers, maxParallelStarts) + runtimeThreads
	available, limited := availableThreads()
	if limit := available * 2 / 3; limited && limit < wanted {
		wanted = limit
		slots = make(chan struct{}, max(wanted-runtimeThreads, minSlots))
	}
	createThreads(wanted)
}

// createThreads makes the runtime create n threads in addition to the busy ones.
func createThreads(n int) {
	var locked, ended sync.WaitGroup
	release := make(chan struct{})
	for range n {
		locked.Add(1)
		ended.Go(func() {
			runtime.LockOSThread() // this thread runs no other goroutine meanwhile
			defer runtime.UnlockOSThread()
			locked.Done()
			<-release
		})
	}
	locked.Wait()
	close(release)
	ended.Wait()
}
