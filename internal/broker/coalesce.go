package broker

import (
	"net"
	"sync/atomic"
	"time"
)

// coalesceBulk is how much has to be read before a socket is empty for no pause to be
// made: what comes in bulk needs none, and would be held up by it.
const coalesceBulk = 32 << 10

// A coalescing lets a socket fill for a moment once it has been read empty, as a
// network card waits with its interrupts: messages that come one by one are then
// read together, and what wakes a goroutine for each wakes it once. With no pause it
// does nothing.
//
// One goroutine at a time reads, the one that dials and then the library's; the pause is
// set by anybody, and is atomic.
type coalescing struct {
	net.Conn
	pause *atomic.Int64 // nanoseconds

	empty bool // as of the last read
	since int  // bytes read since it was found empty before
}

func (c *coalescing) Read(p []byte) (int, error) {
	if c.empty {
		if pause := time.Duration(c.pause.Load()); pause > 0 && c.since < coalesceBulk {
			time.Sleep(pause)
		}
		c.since = 0
	}
	n, err := c.Conn.Read(p)
	c.empty, c.since = n < len(p), c.since+n
	return n, err
}
