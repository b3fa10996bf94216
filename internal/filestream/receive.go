package filestream

import (
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
	// prefetch bounds the chunks that the broker sends ahead: 2 MiB.
	prefetch = 8

	// chunkTimeout is how long a connected receiver waits for the next chunk.
	chunkTimeout = 2 * time.Minute
)

// ErrGone means that the operator's stream does not exist, any more or at all.
var ErrGone = errors.New("the operator's stream was deleted: the operator has ended the push, or another client of the broker deleted it")

// Receive writes a content of size bytes to w. It connects to the broker by opts, and
// again after each loss of the connection, until ctx ends. It returns the error of w.
func Receive(ctx context.Context, opts broker.Options, queue string, key []byte, size int64, w io.Writer) error {
	b, err := newBox(key)
	if err != nil {
		return err
	}
	link, err := broker.NewLink(opts)
	if err != nil {
		return err
	}
	r := &receiver{queue: queue, box: b, w: w, chunks: Chunks(size), offset: "first"}
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
	return context.Cause(ctx)
}

// A receiver is the state of Receive.
type receiver struct {
	queue  string
	box    box
	w      io.Writer
	next   int64 // index of the chunk that is accepted next
	chunks int64
	offset any // in the stream, where the next session begins
	result error
}

// session reads on one connection. It sets result if another connection would not help.
func (r *receiver) session(ctx context.Context, s *broker.Session) error {
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
		r.result = ErrGone
		return err
	case dial.Code(err) == amqp.AccessRefused:
		r.result = fmt.Errorf("the agent's login may not read the stream %s: %w", r.queue, err)
		return err
	case err != nil:
		return err
	}
	s.Ready()
	timeout := time.NewTimer(chunkTimeout)
	defer timeout.Stop()
	for r.next < r.chunks {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return r.ended(canceled)
			}
			accepted, err := r.take(d)
			if err != nil {
				r.result = err
				return err
			}
			if accepted {
				timeout.Reset(chunkTimeout)
			}
			if err := d.Ack(false); err != nil {
				return err
			}
		case <-timeout.C:
			r.result = fmt.Errorf("chunk %d of %d of the content did not come within %v: the operator's process has ended, cannot reach the broker, or somebody else wrote to its stream", r.next+1, r.chunks, chunkTimeout)
			return r.result
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// errChannel: the broker has closed the channel, or the connection is lost.
var errChannel = errors.New("the channel was closed")

// ended returns why the deliveries have ended. The library notes a cancel before it ends them.
func (r *receiver) ended(canceled <-chan string) error {
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

// take writes a delivery if it is the next chunk, and ignores every other.
func (r *receiver) take(d amqp.Delivery) (accepted bool, err error) {
	if index, ok := d.Headers[headerIndex].(int64); !ok || index != r.next {
		return false, nil
	}
	attempt, _ := d.Headers[headerAttempt].(int32)
	chunk, err := r.box.open(attempt, r.next, d.Body)
	if err != nil {
		return false, nil //nolint:nilerr // altered, or sealed by somebody else: the next one may be right
	}
	if _, err := r.w.Write(chunk); err != nil {
		return false, err
	}
	r.next++
	if offset, ok := d.Headers["x-stream-offset"].(int64); ok {
		r.offset = offset + 1
	}
	return true, nil
}
