package operator

import (
	"os"
	"runtime/debug"
)

// How much the collector lets the heap grow beyond what is in use, in per cent. A
// process that speaks to few hosts has so little in use that it would do nothing
// but collect; with a task of 10,000 a seventh of the peak is saved.
const (
	growth      = 200
	growthLarge = 50
	largeTask   = 2000 // hosts
)

// letGrow tunes the collector. Who has set GOGC knows better.
func letGrow(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
