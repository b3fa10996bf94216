package agent

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent keeps the heap small. An agent allocates little, except for long outputs.
const gcPercent = 50

// limitRuntime leaves processors and memory to the commands. An idle agent with one
// processor wakes up 1.5 times a second instead of 8. GOMAXPROCS and GOGC of the
// environment take precedence.
func limitRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
