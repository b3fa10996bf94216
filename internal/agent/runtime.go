package agent

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent has the collector run before the heap has grown by half: an agent
// allocates little, but for the last part of a long output.
const gcPercent = 50

// takeLittle leaves processors and memory to what is executed. An agent hands work
// from one goroutine to the next, and to wake a second thread for that costs more
// than it brings. Who has set GOMAXPROCS or GOGC knows better.
func takeLittle() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
