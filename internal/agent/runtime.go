package agent

import (
	"os"
	"runtime"
)

// limitRuntime leaves processors to the commands. An idle agent with one processor wakes up
// 1.5 times a second instead of 8. GOMAXPROCS of the environment takes precedence.
func limitRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
