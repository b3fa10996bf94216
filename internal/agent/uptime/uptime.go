// Package uptime reads the clock of this machine that nobody can set: the time since
// it was started, sleep included. It tells a step of the wall clock from time that has
// passed. It keeps nothing but the name of this start of the machine.
package uptime

import (
	"crypto/rand"
	"sync"
	"time"
)

// A Reading is a point in time between one start of the machine and the next.
type Reading struct {
	Boot string        // of this start of the machine; another start has another
	Up   time.Duration // since then
}

// bootID names this start of the machine. Where the system has no name for it, the
// name is this process's own, so that readings of two processes do not compare.
var bootID = sync.OnceValue(func() string {
	if id := systemBootID(); id != "" {
		return id
	}
	return "process-" + rand.Text()
})

// Now reads the clock.
func Now() Reading { return Reading{Boot: bootID(), Up: sinceBoot()} }
