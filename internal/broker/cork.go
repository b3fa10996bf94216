package broker

import (
	"net"
	"sync"
)

// maxCorked is how much a cork holds back at most.
const maxCorked = 64 << 10

// A cork holds writes back and lets them go in one: the library flushes each
// frame, and the broker, woken for each, has as much to do for an acknowledgement
// by itself as for the message behind it.
//
// The library's goroutines write while ours draws the cork; like conn it is no
// actor.
type cork struct {
	net.Conn

	mu   sync.Mutex
	in   bool
	held []byte
}

func (c *cork) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in && len(c.held)+len(b) <= maxCorked {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// put begins to hold back. Of no cork, nothing does.
func (c *cork) put() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.in = true
	c.mu.Unlock()
}

// draw lets go of what is held back. After an error nothing good can follow on
// the connection: the library takes it for written.
func (c *cork) draw() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	return c.flush()
}

func (c *cork) flush() error {
	if len(c.held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.held)
	c.held = c.held[:0]
	return err
}
