package dial

import (
	"net"
	"sync/atomic"
	"time"
)

// A deadlineConn puts a deadline on every write. Without one, a publish to a peer that
// has stopped reading waits until the kernel gives up a quarter of an hour later.
//
// The library's goroutines and ours call it concurrently. It is not an actor, and its
// one field that changes is atomic.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
	// deadline is that of SetDeadline, in nanoseconds since 1970; 0 is none. While it
	// is set no read or write deadline is later. It bounds login and close.
	deadline atomic.Int64
}

func (c *deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.deadline.Store(0)
	} else {
		c.deadline.Store(t.UnixNano())
	}
	return c.Conn.SetDeadline(t)
}

func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	return c.capped(t, c.Conn.SetReadDeadline)
}

func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	return c.capped(t, c.Conn.SetWriteDeadline)
}

// capped sets t or the overall deadline, whichever is earlier. It repeats if the overall
// deadline changed meanwhile; otherwise a write that begins while the connection is
// being closed would undo the deadline for closing.
func (c *deadlineConn) capped(t time.Time, set func(time.Time) error) error {
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
