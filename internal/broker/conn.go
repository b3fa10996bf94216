package broker

import (
	"net"
	"sync/atomic"
	"time"
)

// A conn puts a deadline on every write. Without one a publish to a peer that
// has stopped reading waits until the kernel gives up, a quarter of an hour
// later.
//
// The library's goroutines and ours call it at the same time; it is no actor,
// and its one word is atomic.
type conn struct {
	net.Conn
	timeout time.Duration
	// deadline is the one of SetDeadline in nanoseconds since 1970, 0 for none;
	// no later deadline counts while it stands. It bounds login and goodbye.
	deadline atomic.Int64
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *conn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.deadline.Store(0)
	} else {
		c.deadline.Store(t.UnixNano())
	}
	return c.Conn.SetDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.capped(t, c.Conn.SetReadDeadline) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.capped(t, c.Conn.SetWriteDeadline) }

// capped sets t or the overall deadline, the earlier; once more if that changed
// meanwhile, else a write that begins as the connection is being closed would
// undo the closing's deadline.
func (c *conn) capped(t time.Time, set func(time.Time) error) error {
	for {
		limit := c.deadline.Load()
		d := t
		if limit != 0 && (t.IsZero() || time.Unix(0, limit).Before(t)) {
			d = time.Unix(0, limit)
		}
		if err := set(d); err != nil || c.deadline.Load() == limit {
			return err
		}
	}
}
