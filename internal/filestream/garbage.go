package filestream

import (
	"os"
	"runtime/debug"
	"sync"
)

// receivingGCPercent is the garbage that may wait for collection while content is received, in
// percent of the memory in use. The AMQP library makes new buffers for each message, which are
// garbage soon: with the small heap of an agent, the collector would take a quarter of its time.
const receivingGCPercent = 240

// receivers counts the receivers that run. They share the setting.
var receivers struct {
	sync.Mutex
	n       int
	percent int // before the first
}

// allowGarbage sets receivingGCPercent until end is called. GOGC of the environment takes
// precedence.
func allowGarbage() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	receivers.Lock()
	defer receivers.Unlock()
	if receivers.n++; receivers.n == 1 {
		receivers.percent = debug.SetGCPercent(receivingGCPercent)
	}
	return func() {
		receivers.Lock()
		defer receivers.Unlock()
		if receivers.n--; receivers.n == 0 {
			debug.SetGCPercent(receivers.percent)
		}
	}
}
