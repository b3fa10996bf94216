package bench

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A relay passes connections on to a broker and counts the bytes that it gets.
type relay struct {
	ln     net.Listener
	target string
	up     atomic.Int64
	work   sync.WaitGroup
}

func newRelay(target string) (*relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{ln: ln, target: target}
	r.work.Go(r.accept)
	return r, nil
}

func (r *relay) addr() string { return r.ln.Addr().String() }

func (r *relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return // closed
		}
		broker, err := net.Dial("tcp", r.target)
		if err != nil {
			c.Close()
			continue
		}
		r.work.Go(func() { carry(c, broker, nil) })
		r.work.Go(func() { carry(broker, c, &r.up) })
	}
}

// carry copies until an end closes, and then closes both.
func carry(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	if count == nil {
		_, _ = io.Copy(to, from) // ends with an error or without
		return
	}
	_, _ = io.CopyBuffer(counter{to, count}, from, make([]byte, 256<<10))
}

// A counter counts what is written to it.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// close waits for all connections, which end with those who made them.
func (r *relay) close() error {
	err := r.ln.Close()
	r.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
