package dial

import (
	"net"
	"sync"
)

// MaxCorked is the most that a Cork holds back.
const MaxCorked = 64 << 10

// A Cork holds writes back and sends them as one, as TCP_CORK does. The library flushes
// each frame, and each write wakes the broker: an acknowledgment alone costs the broker
// as much as the message behind it.
//
// The library's goroutines write while ours corks and uncorks. A Cork is not an actor.
// A nil *Cork can be corked and uncorked, which does nothing.
type Cork struct {
	net.Conn

	mu     sync.Mutex
	corked bool
	held   []byte
}

func (c *Cork) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked && len(c.held)+len(b) <= MaxCorked {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Cork starts to hold writes back.
func (c *Cork) Cork() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.corked = true
	c.mu.Unlock()
}

// Uncork sends what was held back. After an error the connection is unusable: the
// library believes that the data was written.
func (c *Cork) Uncork() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.flush()
}

func (c *Cork) flush() error {
	if len(c.held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.held)
	c.held = c.held[:0]
	return err
}
