//go:build unix

package process

import (
	"os"
	"sync"

	"warren/internal/agent/process/proctree"
)

// children is what this program knows of its child processes. On Linux they are
// the leaders of its commands and, where Reap runs, the orphans that commands
// leave behind: Reap must never take the status of a leader, and a count of what
// a command left must not look twice at what an earlier one left.
var children = registry{leaders: map[int]*leader{}, starting: map[uint64]bool{}, counted: map[int]bool{}}

type registry struct {
	mu       sync.Mutex
	leaders  map[int]*leader // started and not yet reaped, by pid
	starting map[uint64]bool // starts in progress: such a leader's pid is not known yet
	turn     uint64          // of the latest start
	counted  map[int]bool    // orphans that are in some command's Result.Left
	adopting bool            // orphans become children of this program
}

// start registers a leader that start starts.
func (r *registry) start(l *leader, start func() error) error {
	r.mu.Lock()
	r.turn++
	turn := r.turn
	l.turn, l.first = turn, len(r.leaders)+len(r.starting) == 0
	r.starting[turn] = true
	r.mu.Unlock()
	err := start()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, turn)
	if err == nil {
		r.leaders[l.pid()] = l
	}
	return err
}

// forget ends the registration of a leader. Its pid may belong to another leader
// by now.
func (r *registry) forget(l *leader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaders[l.pid()] == l {
		delete(r.leaders, l.pid())
	}
}

// count notes which children of this program are in a Result.
func (r *registry) count(left []proctree.Stat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range left {
		if r.adopting && s.PPID == os.Getpid() {
			r.counted[s.PID] = true
		}
	}
}

// adopt says whether orphans become children of this program from now on.
func (r *registry) adopt(adopting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.adopting = adopting
}

// alone reports whether no other command has been running since this one started.
func (r *registry) alone(l *leader) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.first && r.turn == l.turn
}

// sessions are the sessions of the commands that are running: their ids are those
// of their leaders.
func (r *registry) sessions() map[int]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[int]bool, len(r.leaders))
	for pid := range r.leaders {
		all[pid] = true
	}
	return all
}
