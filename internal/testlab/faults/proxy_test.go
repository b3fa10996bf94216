//go:build linux

package faults

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The two directions of a link.
const (
	up   = iota // from the client to the broker
	down        // from the broker to the client
)

// A proxy is a link that can be cut, stalled and slowed. It is no actor: a test
// changes it while its goroutines carry bytes.
type proxy struct {
	ln     net.Listener
	target string
	wait   sync.WaitGroup

	mu    sync.Mutex
	conns map[*net.TCPConn]struct{}
	flow  [2]chan struct{} // closed while bytes flow
	rate  int              // bytes a second of each connection and direction; 0 is all there is
	idle  idleTimeout      // of new connections
	ended bool

	pieces atomic.Int64    // carried so far
	bytes  [2]atomic.Int64 // carried so far, by direction
	idled  atomic.Int64    // connections that have ended by their idle timeout
}

// An idleTimeout ends connections of which one direction is silent for so long; 0 is never.
// Silent: nobody is told, as by a firewall that forgets a connection. Otherwise both sides
// are closed, as by a load balancer.
type idleTimeout struct {
	after  time.Duration
	silent bool
}

func newProxy(target string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, target: target, conns: map[*net.TCPConn]struct{}{}}
	p.resume()
	p.wait.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

// stall stops all bytes in these directions, and hides that an end is gone: the
// link is half open. It holds for new connections too.
func (p *proxy) stall(directions ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range directions {
		p.flow[d] = make(chan struct{})
	}
}

// resume ends a stall. What was under way arrives late.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := make(chan struct{})
	close(open)
	for d, flow := range p.flow {
		if flow != nil && !p.ended {
			select {
			case <-flow:
			default:
				close(flow)
			}
		}
		p.flow[d] = open
	}
}

// slow limits each connection to so many bytes a second; 0 ends that.
func (p *proxy) slow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// closeIdle sets the idle timeout of new connections.
func (p *proxy) closeIdle(timeout idleTimeout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = timeout
}

// cut resets all connections; new ones are welcome.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.SetLinger(0) // a reset, not a goodbye
		_ = c.Close()
	}
}

func (p *proxy) close() {
	_ = p.ln.Close()
	p.resume()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cut()
	p.wait.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", p.target)
		if err != nil { // it is down: so is the link
			client.Close()
			continue
		}
		a, b := client.(*net.TCPConn), broker.(*net.TCPConn)
		if !p.keep(a, b) {
			return
		}
		p.mu.Lock()
		c := &connection{idle: p.idle}
		p.mu.Unlock()
		p.wait.Go(func() { p.carry(c, b, a, up) })
		p.wait.Go(func() { p.carry(c, a, b, down) })
	}
}

// A connection is what its two directions share.
type connection struct {
	idle      idleTimeout
	forgotten atomic.Bool // what comes is dropped
}

func (p *proxy) keep(conns ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.ended {
			c.Close()
		} else {
			p.conns[c] = struct{}{}
		}
	}
	return !p.ended
}

func (p *proxy) carry(c *connection, to, from *net.TCPConn, direction int) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
		from.Close()
		if !c.forgotten.Load() {
			to.Close()
		}
	}()
	buf := make([]byte, 8<<10)
	for {
		if c.idle.after > 0 && !c.forgotten.Load() {
			_ = from.SetReadDeadline(time.Now().Add(c.idle.after)) // fails only if Read does
		}
		n, err := from.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return // cut
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !p.idles(c) {
			return
		}
		if c.forgotten.Load() {
			_ = from.SetReadDeadline(time.Time{})
			_, _ = io.Copy(io.Discard, from)
			return
		}
		p.mu.Lock()
		flow, rate := p.flow[direction], p.rate
		p.mu.Unlock()
		<-flow
		if rate > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
		}
		p.pieces.Add(1)
		p.bytes[direction].Add(int64(n))
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// idles takes note that a connection was idle for too long, and reports whether it stays open.
func (p *proxy) idles(c *connection) bool {
	if !c.idle.silent {
		p.idled.Add(1)
		return false
	}
	if !c.forgotten.Swap(true) {
		p.idled.Add(1)
	}
	return true
}
