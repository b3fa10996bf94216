package sqlite

import (
	"context"
	"errors"
	"sync"

	"zombiezen.com/go/sqlite"
)

// readConns is how many connections read at the same time. More readers wait.
const readConns = 4

var errClosed = errors.New("the result store is closed")

// A pool has the connections that read. A sqlitex.Pool would wait for its readers when it
// closes, but a reader may be stuck: a command that blocks on its output must not prevent
// the process from ending.
type pool struct {
	path  string
	slots chan struct{} // capacity readConns: one for each connection in use

	mu     sync.Mutex
	idle   []*sqlite.Conn // the last one was used last
	closed bool
}

func newPool(path string) *pool { return &pool{path: path, slots: make(chan struct{}, readConns)} }

// take returns a connection, whose statements are interrupted when ctx ends.
func (p *pool) take(ctx context.Context) (*sqlite.Conn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := p.pop()
	if err == nil && conn == nil {
		conn, err = p.open()
	}
	if err != nil {
		<-p.slots
		return nil, err
	}
	conn.SetInterrupt(ctx.Done())
	return conn, nil
}

// pop returns the idle connection that was used last, or nil if there is none.
func (p *pool) pop() (*sqlite.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	switch {
	case p.closed:
		return nil, errClosed
	case n == 0:
		return nil, nil
	}
	conn := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return conn, nil
}

func (p *pool) open() (*sqlite.Conn, error) {
	// Not OpenReadOnly: the first connection creates the files of the write-ahead log, and
	// the last one removes them.
	conn, err := sqlite.OpenConn(p.path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	if err := execute(conn, "PRAGMA query_only = 1"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// put returns a connection.
func (p *pool) put(conn *sqlite.Conn) {
	conn.SetInterrupt(nil)
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, conn)
	}
	p.mu.Unlock()
	if closed {
		_ = conn.Close() // the caller has read what it wanted
	}
	<-p.slots
}

// close closes the connections. Those in use are closed when they are returned.
func (p *pool) close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var errs []error
	for _, conn := range idle {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
