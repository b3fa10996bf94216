package operator

import (
	"os"
	"runtime/debug"
)

// With a task of more than largeTask hosts the collector runs before the heap has
// grown by gcPercent, which lowers the process's peak for more of its processor time.
// With few hosts so little is in use that it would do nothing but collect.
const (
	largeTask = 2000
	gcPercent = 15
)

// collectFor tunes the collector for a task of so many hosts, and for all that
// follow, since it may be under way for long. Who has set GOGC knows better.
func collectFor(hosts int) {
	if hosts > largeTask && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
