// Package uptime reads a clock that nobody can set: the time since this machine
// booted, including sleep. It distinguishes a step of the wall clock from time that
// has passed.
package uptime

import (
	"crypto/rand"
	"sync"
	"time"
)

// A Reading is a point in time within one boot of the machine.
type Reading struct {
	Boot string        // identifies the boot
	Up   time.Duration // time since the boot
}

// bootID identifies the current boot. If the system has no boot id, the id is this
// process's own, so readings of two processes are not comparable.
var bootID = sync.OnceValue(func() string {
	if id := systemBootID(); id != "" {
		return id
	}
	return "process-" + rand.Text()
})

func Now() Reading { return Reading{Boot: bootID(), Up: sinceBoot()} }
