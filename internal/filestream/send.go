package filestream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/time/rate"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/wire"
)

const (
	// window is how many chunks may be unconfirmed: 4 MiB.
	window = 32

	// maxAge is when the broker may drop content: if the operator was killed, and no later process of
	// its data directory has deleted the stream.
	maxAge = "7D"

	// connectTimeout is how long the first connection may take.
	connectTimeout = 30 * time.Second

	// segmentSize makes maxAge effective: the broker drops whole segments.
	segmentSize = 20_000_000
)

// ErrNoStream means that the broker refuses to make the stream.
var ErrNoStream = errors.New("the broker refuses a stream")

// A Sender publishes one content to a stream. Its fields are fixed.
type Sender struct {
	Options broker.Options
	Queue   string // wire.FileQueue
	Key     []byte
	Size    int64
	// Open returns the content from an offset on.
	Open func(offset int64) io.ReadCloser
	// Rate is the most bytes that are sent in a second; 0 is no limit.
	Rate int64
	// Wanted receives how much of the content hosts want, from the beginning, in bytes. The
	// sender sends no more than that.
	Wanted <-chan int64
	// Declared is called when the stream exists. It may be nil.
	Declared func()
	// Progress is called with the number of bytes that the broker has confirmed. It may be nil.
	Progress func(confirmed int64)
	// Keep is closed when no host needs the stream any more.
	Keep <-chan struct{}
	// Sent is called when the broker has the whole content. It may be nil.
	Sent func()
	// Gone is called before Run returns if the broker has no stream: it was never made, or is deleted.
	// It may be nil.
	Gone func()
}

// Run declares the stream, sends the content as hosts want it, waits until Keep is closed, and
// deletes the stream. It sends no more once Keep is closed. It connects again after each loss of
// the connection and each passing fault of the broker, and continues behind the last chunk that was
// confirmed. If outer ends, or if the broker refuses the deletion, the stream stays. An error of the
// content deletes the stream, so that no host waits for the rest.
func (s *Sender) Run(outer context.Context) error {
	r := &sending{Sender: s, limit: newLimit(s.Rate), chunks: Chunks(s.Size)}
	defer r.end()
	b, link, err := prepare(s.Key, s.Options)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(outer)
	defer stop()
	r.box, r.connecting = b, time.AfterFunc(connectTimeout, stop)
	defer r.connecting.Stop()
	err = link.Run(ctx, func(ctx context.Context, session *broker.Session) error {
		err := r.session(ctx, session)
		if r.done {
			stop()
		}
		return err
	})
	switch {
	case r.done:
		return r.result
	case !r.connected && err == nil && outer.Err() == nil:
		return cmp.Or(noConnection(link), ErrNoConnection)
	}
	return err
}

// ErrNoConnection means that the broker cannot be reached, or permits no connection for the content.
var ErrNoConnection = errors.New("no connection for the content")

// noConnection returns ErrNoConnection with the reason; nil if none is known.
func noConnection(link *broker.Link) error {
	if s := link.State(); s.Phase == broker.Connecting && s.Err != nil {
		return fmt.Errorf("%w: %w", ErrNoConnection, s.Err)
	}
	return nil
}

// A sending is the state of Run.
type sending struct {
	*Sender
	box       box
	limit     *rate.Limiter
	chunks    int64
	attempt   int32 // the number of attempts to send that have begun
	wanted    int64 // bytes
	confirmed int64 // chunks
	declared  bool
	sent      bool
	mayExist  bool // the broker may have the stream
	done      bool // the stream is deleted, or the broker refuses to make or to delete it
	result    error

	connecting *time.Timer // ends Run if the first connection takes too long
	connected  bool
}

// end reports that the broker has no stream.
func (s *sending) end() {
	if !s.mayExist && s.Gone != nil {
		s.Gone()
	}
}

// session works on one connection.
func (s *sending) session(ctx context.Context, session *broker.Session) error {
	if !s.connected && !s.connecting.Stop() {
		return ctx.Err()
	}
	s.connected = true
	ch, err := session.Conn.Channel()
	if err != nil {
		return err
	}
	if s.isUseless() {
		session.Ready()
		return s.delete(ch)
	}
	if err := s.declare(ch); err != nil {
		if !s.declared && refuses(err) {
			s.done, s.result = true, fmt.Errorf("%w: %w", ErrNoStream, err)
			if ch, err := session.Conn.Channel(); err == nil && s.mayExist { // without its binding
				_ = s.delete(ch)
			}
		}
		return err
	}
	session.Ready()
	if !s.declared {
		s.declared = true
		if s.Declared != nil {
			s.Declared()
		}
	}
	if err := s.send(ctx, ch); err != nil {
		if s.result != nil || errors.Is(err, errReleased) {
			return s.delete(ch)
		}
		return err
	}
	if !s.sent {
		s.sent = true
		if s.Sent != nil {
			s.Sent()
		}
	}
	select {
	case <-s.Keep:
		return s.delete(ch)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isUseless reports whether no host needs the stream, or can use it.
func (s *sending) isUseless() bool {
	select {
	case <-s.Keep:
		return true
	default:
		return s.result != nil
	}
}

// declare makes the stream and binds it: operators may not publish to the default exchange.
func (s *sending) declare(ch *amqp.Channel) error {
	args := amqp.Table{"x-queue-type": "stream", "x-max-age": maxAge, "x-stream-max-segment-size-bytes": int64(segmentSize)}
	before := s.mayExist
	s.mayExist = true
	if _, err := ch.QueueDeclare(s.Queue, true, false, false, false, args); err != nil {
		if refuses(err) {
			s.mayExist = before
		}
		return err
	}
	if err := ch.QueueBind(s.Queue, wire.FileKey(s.Queue), wire.ExchangeHosts, false, nil); err != nil {
		return err
	}
	return ch.Confirm(false)
}

// delete deletes the stream. After a passing fault, the next session tries again.
func (s *sending) delete(ch *amqp.Channel) error {
	_, err := ch.QueueDelete(s.Queue, false, false, false)
	if err == nil { // also if there was no stream
		s.mayExist = false
	}
	s.done = s.done || err == nil || refuses(err)
	return err
}

// typeDisabled is what RabbitMQ says, with INTERNAL_ERROR, if its streams are disabled: by a feature
// flag (3.9 to 3.11) or by its configuration (from 4.2 on).
const typeDisabled = "feature flag is disabled"

// refuses reports whether the broker refuses a request for good: to this login, in this virtual host,
// or to anybody. Every other error passes, and another connection may succeed. A node that goes down
// closes its connections with CONNECTION_FORCED. A cluster that lacks most of its nodes can neither make
// nor delete a stream: INTERNAL_ERROR. A queue that exists, but is out of reach, is NOT_FOUND; the
// deletion of one that does not exist succeeds.
func refuses(err error) bool {
	switch dial.Code(err) {
	case amqp.AccessRefused, amqp.ResourceLocked, amqp.PreconditionFailed, // RabbitMQ 3.8 does not know the type of the queue
		amqp.NotAllowed, amqp.NotImplemented, amqp.CommandInvalid: // other brokers
		return true
	case amqp.InternalError:
		return strings.Contains(dial.Reason(err), typeDisabled)
	}
	return false
}

// errReleased: no host needs the rest of the content.
var errReleased = errors.New("no host needs the content")

// send publishes what is not confirmed yet. It sets result after an error of the content.
func (s *sending) send(ctx context.Context, ch *amqp.Channel) error {
	if s.confirmed == s.chunks {
		return nil
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, window)) // each chunk in flight may come back
	attempt := s.attempt
	s.attempt++
	content := s.Open(s.confirmed * wire.MaxFileChunk)
	defer content.Close()
	var pending []*amqp.DeferredConfirmation
	defer func() { // what the broker has confirmed is not sent again
		for len(pending) > 0 && isJudged(pending[0]) && s.confirm(context.WithoutCancel(ctx), pending[0], returned) == nil {
			pending = pending[1:]
		}
	}()
	buffer := make([]byte, wire.MaxFileChunk)
	for next := s.confirmed; s.confirmed < s.chunks; {
		select {
		case <-s.Keep:
			return errReleased
		default:
		}
		if err := s.want(ctx, next, len(pending) == 0); err != nil {
			return err
		}
		if len(pending) > 0 && (next == s.allowed() || len(pending) == window || isJudged(pending[0])) {
			if err := s.confirm(ctx, pending[0], returned); err != nil {
				return err
			}
			pending = pending[1:]
			continue
		}
		n := min(wire.MaxFileChunk, s.Size-next*wire.MaxFileChunk)
		if err := readChunk(content, buffer[:n], next == s.chunks-1); err != nil {
			s.result = err
			return err
		}
		if err := wait(ctx, s.limit, int(n), s.Keep); err != nil {
			return err
		}
		msg := amqp.Publishing{
			DeliveryMode: amqp.Persistent, ContentType: wire.ContentBytes, AppId: wire.AppID,
			Headers: amqp.Table{headerIndex: next, headerAttempt: attempt}, Body: s.box.seal(nil, attempt, next, buffer[:n]),
		}
		p, err := ch.PublishWithDeferredConfirm(wire.ExchangeHosts, wire.FileKey(s.Queue), true, false, msg)
		if err != nil {
			return err
		}
		pending = append(pending, p)
		next++
	}
	return nil
}

// readChunk fills a chunk. Behind the last one, the content says whether it was what it should be.
func readChunk(content io.Reader, chunk []byte, last bool) error {
	_, err := io.ReadFull(content, chunk)
	if err == nil && last {
		var n int
		switch n, err = io.ReadFull(content, make([]byte, 1)); {
		case n > 0:
			err = errors.New("it is longer than it should be")
		case errors.Is(err, io.EOF):
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("cannot read the content: %w", err)
	}
	return nil
}

// allowed is how many chunks hosts want.
func (s *sending) allowed() int64 { return min(Chunks(s.wanted), s.chunks) }

// want takes notice of what hosts want. With block, it waits until they want the next chunk.
func (s *sending) want(ctx context.Context, next int64, block bool) error {
	select {
	case n := <-s.Wanted:
		s.wanted = max(s.wanted, n)
	default:
	}
	for block && next >= s.allowed() {
		select {
		case n := <-s.Wanted:
			s.wanted = max(s.wanted, n)
		case <-s.Keep:
			return errReleased
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// newLimit limits the bytes in a second; 0 is no limit.
func newLimit(bytes int64) *rate.Limiter {
	if bytes == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(bytes), int(max(bytes, 2*wire.MaxFileChunk)))
}

// wait waits until n bytes may be sent, or until keep is closed: no host needs them.
func wait(ctx context.Context, limit *rate.Limiter, n int, keep <-chan struct{}) error {
	delay := limit.ReserveN(time.Now(), n).Delay()
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-keep:
		return errReleased
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errNacked: the broker has not taken a chunk. The next session sends it again.
var errNacked = errors.New("the broker did not take a chunk")

// isJudged reports whether the broker has answered.
func isJudged(p *amqp.DeferredConfirmation) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// confirm waits for the oldest confirmation.
func (s *sending) confirm(ctx context.Context, p *amqp.DeferredConfirmation, returned <-chan amqp.Return) error {
	acked, err := p.WaitContext(ctx)
	if err != nil {
		return err
	}
	if len(returned) > 0 { // a message comes back before its confirmation
		s.result = ErrGone
		return s.result
	}
	if !acked {
		return errNacked
	}
	s.confirmed++
	if s.Progress != nil {
		s.Progress(min(s.confirmed*wire.MaxFileChunk, s.Size))
	}
	return nil
}

// Delete deletes streams that ended processes have left. It returns those that are deleted. It tries
// each once.
func Delete(ctx context.Context, opts broker.Options, queues []string) (deleted []string, err error) {
	ctx, stop := context.WithTimeout(ctx, deleteTimeout)
	defer stop()
	link, err := broker.NewLink(opts)
	if err != nil {
		return nil, err
	}
	var failed, noChannel error
	runErr := link.Run(ctx, func(_ context.Context, session *broker.Session) error {
		session.Ready()
		for len(queues) > 0 {
			ch, err := session.Conn.Channel()
			if err != nil { // as after a fault that ended the connection: the next session deletes the others
				noChannel = err
				return err
			}
			queue := queues[0]
			queues = queues[1:]
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				failed = err
				continue
			}
			deleted = append(deleted, queue)
			_ = ch.Close() // the connection is about to end
		}
		stop()
		return nil
	})
	if len(queues) > 0 {
		failed = errors.Join(failed, noChannel)
	}
	return deleted, errors.Join(failed, runErr)
}

// deleteTimeout bounds Delete.
const deleteTimeout = 30 * time.Second
