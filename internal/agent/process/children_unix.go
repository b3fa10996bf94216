//go:build unix

package process

import (
	"os"
	"sync"

	"warren/internal/agent/process/proctree"
)

// children tracks the child processes of this program. On Linux these are the leaders
// of its commands and, while Reap runs, the orphans of commands. Reap must never take
// the status of a leader, and no orphan may be counted for two commands.
var children = registry{leaders: map[int]*leader{}, starting: map[uint64]bool{}, reported: map[int]bool{}}

type registry struct {
	mu        sync.Mutex
	leaders   map[int]*leader // started and not yet reaped, by pid
	starting  map[uint64]bool // sequence numbers of the starts in progress, whose pids are not known yet
	lastStart uint64          // sequence number of the latest start
	reported  map[int]bool    // orphans that are in the Result.Left of a command
	subreaper bool            // orphans become children of this program
}

// start calls start and registers the leader that it starts.
func (r *registry) start(l *leader, start func() error) error {
	r.mu.Lock()
	r.lastStart++
	seq := r.lastStart
	l.startSeq, l.startedAlone = seq, len(r.leaders)+len(r.starting) == 0
	r.starting[seq] = true
	r.mu.Unlock()
	err := start()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, seq)
	if err == nil {
		r.leaders[l.pid()] = l
	}
	return err
}

// forget removes a leader. Another leader may already have its pid.
func (r *registry) forget(l *leader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaders[l.pid()] == l {
		delete(r.leaders, l.pid())
	}
}

// markReported records which children of this program are in a Result.
func (r *registry) markReported(left []proctree.Stat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range left {
		if r.subreaper && s.PPID == os.Getpid() {
			r.reported[s.PID] = true
		}
	}
}

func (r *registry) setSubreaper(subreaper bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subreaper = subreaper
}

// isOnlyCommand reports whether no other command has run since this one started.
func (r *registry) isOnlyCommand(l *leader) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.startedAlone && r.lastStart == l.startSeq
}

// sessions returns the sessions of the running commands. A session has the id of its
// leader.
func (r *registry) sessions() map[int]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[int]bool, len(r.leaders))
	for pid := range r.leaders {
		all[pid] = true
	}
	return all
}
