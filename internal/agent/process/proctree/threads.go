package proctree

import (
	"runtime"
	"sync"
)

const (
	// ownThreads is how many threads the agent needs beside those that start
	// commands: the Go runtime's own, signals, the journal's sync, output, the log.
	ownThreads = 8
	// startsAtOnce is how many commands may be expected to start in one moment,
	// however many workers there are.
	startsAtOnce = 16
	// fewestThreads is as few as a start and a look at the processes can do with.
	fewestThreads = 1
)

// slots bounds how many starts of commands and looks at the processes go on at
// the same time: each blocks a thread. nil is no bound. ReserveThreads alone sets
// it, before anything runs.
var slots chan struct{}

// Occupy waits for a slot and returns the function that gives it back.
func Occupy() func() {
	if slots == nil {
		return func() {}
	}
	slots <- struct{}{}
	return func() { <-slots }
}

// ReserveThreads creates the threads that a program with this many workers needs.
// The Go runtime ends the program where it cannot create a thread, as when a
// command has used up the processes that this user or this cgroup may have; but
// it keeps every thread that it has. Where the system permits only a few threads,
// a third of them is left to commands, and fewer commands are started at the same
// time. It must be called before anything else of this package.
func ReserveThreads(workers int) {
	wanted := min(workers, startsAtOnce) + ownThreads
	room, bounded := threadRoom()
	if most := room * 2 / 3; bounded && most < wanted {
		wanted = most
		slots = make(chan struct{}, max(wanted-ownThreads, fewestThreads))
	}
	createThreads(wanted)
}

// createThreads makes the runtime have n threads more than are busy now.
func createThreads(n int) {
	var locked, ended sync.WaitGroup
	release := make(chan struct{})
	for range n {
		locked.Add(1)
		ended.Go(func() {
			runtime.LockOSThread() // this thread runs nothing else while we wait
			defer runtime.UnlockOSThread()
			locked.Done()
			<-release
		})
	}
	locked.Wait()
	close(release)
	ended.Wait()
}
