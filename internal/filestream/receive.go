package filestream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/broker/dial"
)

const (
	// prefetch bounds the chunks that the broker sends ahead: 1 MiB.
	prefetch = 8

	// defaultChunkTimeout is how long a connected receiver waits for the next chunk. An
	// operator whose connection is lost connects again within it.
	defaultChunkTimeout = 2 * time.Minute
)

// ErrGone means that the operator's stream does not exist, any more or at all.
var ErrGone = errors.New("the operator's stream was deleted: the operator has ended the push, or another client of the broker deleted it")

// A Receiver reads one content from a stream, or from the queue of the host. Its fields are fixed.
type Receiver struct {
	Options broker.Options
	Queue   string // wire.FileQueue
	// Chunks, unless it is nil, receives the chunks from the queue of the host. The receiver then
	// opens no connection.
	Chunks <-chan Chunk
	Key    []byte
	// Size is how much of the content it reads, from the beginning, in bytes. If that is not
	// the whole content, it writes the rest of the last chunk, too.
	Size int64
	// Received is called with the number of bytes that were written, first with 0. It may be
	// nil. The sender of Chunks needs to know that number, so that it is called again for a
	// repeated one.
	Received func(bytes int64)
	// ChunkTimeout is how long it waits for the next chunk; 0 is two minutes.
	ChunkTimeout time.Duration
}

// Run writes the content to w. It connects again after each loss of the connection, until ctx
// ends. It returns the error of w.
func (rc *Receiver) Run(ctx context.Context, w io.Writer) error {
	b, err := newBox(rc.Key)
	if err != nil {
		return err
	}
	received := rc.Received
	if received == nil {
		received = func(int64) {}
	}
	received(0)
	r := &receiving{queue: rc.Queue, box: b, w: w, received: received, chunks: Chunks(rc.Size), offset: "first", timeout: cmp.Or(rc.ChunkTimeout, defaultChunkTimeout)}
	if rc.Chunks != nil {
		return r.collect(ctx, rc.Chunks)
	}
	link, err := broker.NewLink(rc.Options)
	if err != nil {
		return err
	}
	defer allowGarbage()()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = link.Run(ctx, func(ctx context.Context, s *broker.Session) error {
		err := r.session(ctx, s)
		if r.result != nil || r.next == r.chunks {
			stop()
		}
		return err
	})
	switch {
	case r.result != nil:
		return r.result
	case r.next == r.chunks:
		return nil
	case err != nil:
		return err
	}
	return cmp.Or(noConnection(link), context.Cause(ctx))
}

// A receiving is the state of Run.
type receiving struct {
	queue        string
	box          box
	w            io.Writer
	received     func(bytes int64)
	written      int64 // bytes
	next         int64 // index of the chunk that is accepted next
	chunks       int64
	offset       any // in the stream, where the next session begins
	timeout      time.Duration
	missingSince time.Time // when the last session did not find the stream; zero: it was there

	foreign int64 // messages that the operator has not made, or that were altered
	later   int64 // messages for a later chunk
	result  error
}

// session reads on one connection. It sets result if another connection would not help.
func (r *receiving) session(ctx context.Context, s *broker.Session) error {
	ch, err := s.Conn.Channel()
	if err != nil {
		return err
	}
	canceled := ch.NotifyCancel(make(chan string, 1))
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(r.queue, "", false, false, false, false, amqp.Table{"x-stream-offset": r.offset})
	switch {
	case broker.IsNotFound(err):
		if !r.mayReturn() {
			r.result = ErrGone
		}
		return err
	case dial.Code(err) == amqp.AccessRefused:
		r.result = fmt.Errorf("the agent's login may not read the stream %s: %w", r.queue, err)
		return err
	case err != nil:
		return err
	}
	s.Ready()
	r.missingSince = time.Time{}
	timeout := time.NewTimer(r.timeout)
	defer timeout.Stop()
	unacked := 0
	for r.next < r.chunks {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return r.ended(canceled)
			}
			accepted, err := r.take(ChunkOf(d))
			if err != nil {
				r.result = err
				return err
			}
			if accepted {
				timeout.Reset(r.timeout)
			}
			if unacked++; unacked == prefetch/2 {
				unacked = 0
				if err := d.Ack(true); err != nil {
					return err
				}
			}
		case <-timeout.C:
			r.result = r.missing()
			return r.result
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// collect reads the chunks of the host's queue.
func (r *receiving) collect(ctx context.Context, chunks <-chan Chunk) error {
	timeout := time.NewTimer(r.timeout)
	defer timeout.Stop()
	for r.next < r.chunks {
		select {
		case c := <-chunks:
			alive, err := r.isPing(c), error(nil)
			if !alive {
				alive, err = r.take(c)
			}
			if err != nil {
				return err
			}
			if alive {
				timeout.Reset(r.timeout)
			}
			if !alive && r.isRepeated(c) { // the operator has lost a report
				r.received(r.written)
			}
		case <-timeout.C:
			return r.missing()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// mayReturn reports whether a stream that is missing may come back. A broker that starts again
// answers "not found" while the stream is down, and the operator declares it again.
func (r *receiving) mayReturn() bool {
	if r.missingSince.IsZero() {
		r.missingSince = time.Now()
	}
	return time.Since(r.missingSince) < r.timeout
}

// errChannel: the broker has closed the channel, or the connection is lost.
var errChannel = errors.New("the channel was closed")

// ended returns why the deliveries have ended. The library notes a cancel before it ends them.
func (r *receiving) ended(canceled <-chan string) error {
	select {
	case _, ok := <-canceled:
		if ok {
			r.result = ErrGone
			return r.result
		}
	default:
	}
	return errChannel
}

// missing returns why the next chunk is awaited in vain.
func (r *receiving) missing() error {
	switch {
	case r.foreign > 0:
		return fmt.Errorf("chunk %d of %d of the content did not come within %v, and %d other messages are not from the operator or were altered", r.next+1, r.chunks, r.timeout, r.foreign)
	case r.later > 0:
		return fmt.Errorf("chunk %d of %d of the content did not come within %v, but %d later ones: a chunk is missing, or they were exchanged", r.next+1, r.chunks, r.timeout, r.later)
	}
	return fmt.Errorf("chunk %d of %d of the content did not come within %v: the operator's process has ended or cannot reach the broker", r.next+1, r.chunks, r.timeout)
}

// A Chunk is a message with content, from the operator or from anybody else.
type Chunk struct {
	index   int64 // negative: it has no content
	attempt int32
	sealed  []byte
	behind  any // offset in the stream behind it; nil: it is not from a stream
}

// ChunkOf returns what a delivery has.
func ChunkOf(d amqp.Delivery) Chunk {
	c := Chunk{index: noIndex, sealed: d.Body}
	if index, ok := d.Headers[headerIndex].(int64); ok {
		c.index = index
	}
	c.attempt, _ = d.Headers[headerAttempt].(int32)
	if offset, ok := d.Headers["x-stream-offset"].(int64); ok {
		c.behind = offset + 1
	}
	return c
}

// isPing reports whether the operator tells the host to wait on: it is not its turn.
func (r *receiving) isPing(c Chunk) bool {
	if c.index != pingIndex {
		return false
	}
	content, err := r.box.open(c.attempt, c.index, c.sealed)
	return err == nil && len(content) == 0
}

// isRepeated reports whether the operator has sent a chunk again that was written.
func (r *receiving) isRepeated(c Chunk) bool {
	if c.index < 0 || c.index >= r.next {
		return false
	}
	_, err := r.box.open(c.attempt, c.index, c.sealed)
	return err == nil
}

// take writes a chunk if it is the next one, and ignores every other.
func (r *receiving) take(c Chunk) (accepted bool, err error) {
	switch {
	case c.index < 0 || c.index >= r.chunks:
		r.foreign++
		return false, nil
	case c.index < r.next:
		return false, nil // repeated, as after a loss of a connection
	}
	chunk, err := r.box.open(c.attempt, c.index, c.sealed)
	switch {
	case err != nil:
		r.foreign++ // the next one may be right
		return false, nil
	case c.index > r.next:
		r.later++
		return false, nil
	}
	if _, err := r.w.Write(chunk); err != nil {
		return false, err
	}
	r.next++
	r.written += int64(len(chunk))
	r.received(r.written)
	r.foreign, r.later = 0, 0
	if c.behind != nil {
		r.offset = c.behind
	}
	return true, nil
}
