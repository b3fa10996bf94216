package filestream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"warren/internal/broker"
	"warren/internal/wire"
)

const (
	// hostWindow is how many chunks may be on the way to one host: 1 MiB.
	hostWindow = 8

	// totalWindow is how many chunks may be on the way to all hosts: 32 MiB, which the broker
	// keeps.
	totalWindow = 256

	// hostSilence is how long a host may report nothing before the chunks on the way to it count
	// as lost. It doubles each time until the host reports, up to maxHostSilence. The broker drops
	// a chunk that was not delivered by then.
	hostSilence    = 10 * time.Second
	maxHostSilence = time.Minute

	// pingInterval is how often a host that waits for its turn gets a ping. Without any message,
	// it gives up after defaultChunkTimeout.
	pingInterval = 30 * time.Second

	// awayInterval is how often a ping looks for the queue of a host that is away.
	awayInterval = time.Second
)

// A Destination is a job that receives content through its host's queue.
type Destination struct {
	Host, Job        string
	Received, Wanted int64 // bytes, from the beginning of the content
}

// A HostSender sends one content to each host that wants it, through the queue of the host, where
// the broker refuses streams. Its fields are fixed.
type HostSender struct {
	Options broker.Options
	Key     []byte
	Size    int64
	// Open returns the content from an offset on.
	Open func(offset int64) io.ReadCloser
	// Rate is the most bytes that are sent to all hosts in a second; 0 is no limit.
	Rate int64
	// Hosts receives the jobs that receive content, all of them each time.
	Hosts <-chan []Destination
	// Keep is closed when no host needs the content any more.
	Keep <-chan struct{}
}

// Run sends the content as hosts want it, until Keep is closed, ctx ends, or the content cannot be
// read. What is lost on the way, with a connection of the host, the operator or the broker, is sent
// again.
func (s *HostSender) Run(outer context.Context) error {
	b, link, err := prepare(s.Key, s.Options)
	if err != nil {
		return err
	}
	publisher := broker.NewPublisher(totalWindow)
	ctx, stop := context.WithCancel(outer)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return link.Run(ctx, func(ctx context.Context, session *broker.Session) error {
			session.Ready()
			return publisher.Serve(ctx, session)
		})
	})
	d := newDistribution(s, b)
	g.Go(func() error {
		if err := d.run(ctx, publisher.In()); err != nil {
			return err
		}
		return errReleased
	})
	if err := g.Wait(); !errors.Is(err, errReleased) && outer.Err() == nil {
		return err
	}
	return nil
}

// A distribution is the state of HostSender.Run.
type distribution struct {
	*HostSender
	box      box
	limit    *rate.Limiter
	attempt  int32 // one for each message: no two have the same nonce
	hosts    map[string]*destination
	order    []*destination
	turn     int // in order: they take turns
	verdicts chan broker.Verdict
	inFlight map[uint64]*destination // of publications without a verdict
}

type destination struct {
	Destination
	next    int64         // index of the chunk that is sent next
	window  int64         // how many chunks may be on the way
	silence time.Duration // after which they count as lost
	heard   time.Time     // when the host reported something new, or the first chunk on the way was sent
	told    time.Time     // when it was sent anything
	away    bool          // the broker did not find the host's queue
	present bool          // its job has not ended
}

func newDistribution(s *HostSender, b box) *distribution {
	return &distribution{
		HostSender: s, box: b, limit: newLimit(s.Rate), hosts: map[string]*destination{}, inFlight: map[uint64]*destination{},
		verdicts: make(chan broker.Verdict, totalWindow), // never full: one for each publication in flight
	}
}

// received is how many chunks the host has.
func (d *destination) received() int64 {
	if d.Received >= d.Wanted {
		return Chunks(d.Received) // the last one may be a short one
	}
	return d.Received / wire.MaxFileChunk
}

// A sealed is a message that is ready for the publisher.
type sealed struct {
	*broker.Publication
	to    *destination
	index int64 // of the chunk, or pingIndex
}

// stale reports whether the host does not need the message any more.
func (m *sealed) stale() bool {
	return !m.to.present || m.index != pingIndex && (m.to.away || m.index != m.to.next)
}

// run publishes chunks.
func (s *distribution) run(ctx context.Context, in chan<- *broker.Publication) error {
	clock := time.NewTicker(awayInterval)
	defer clock.Stop()
	var ready *sealed
	for {
		if ready != nil && ready.stale() {
			ready = nil
		}
		if ready == nil && len(s.inFlight) < totalWindow {
			var err error
			if ready, err = s.choose(ctx, time.Now()); err != nil {
				return err
			}
		}
		var take chan<- *broker.Publication
		var publication *broker.Publication
		if ready != nil {
			take, publication = in, ready.Publication
		}
		select {
		case take <- publication:
			s.sent(ready, time.Now())
			ready = nil
		case v := <-s.verdicts:
			s.judge(v)
		case hosts := <-s.Hosts:
			s.update(hosts, time.Now())
		case now := <-clock.C:
			s.giveUp(now)
		case <-s.Keep:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// update takes how far the hosts have come.
func (s *distribution) update(hosts []Destination, now time.Time) {
	for _, d := range s.order {
		d.present = false
	}
	for _, h := range hosts {
		d := s.hosts[h.Job]
		if d == nil {
			d = &destination{Destination: h, next: h.Received / wire.MaxFileChunk, window: hostWindow, silence: hostSilence, heard: now, told: now}
			s.hosts[h.Job] = d
			s.order = append(s.order, d)
		}
		d.report(h, now)
	}
	present := s.order[:0]
	for _, d := range s.order {
		if d.present {
			present = append(present, d)
		} else {
			delete(s.hosts, d.Job)
		}
	}
	clear(s.order[len(present):])
	s.order = present
}

// report takes how far the host has come.
func (d *destination) report(h Destination, now time.Time) {
	before := d.Destination
	d.Destination, d.present = h, true
	switch {
	case h.Wanted != before.Wanted || h.Received < before.Received: // it begins again, as behind a manifest
		d.next = d.received()
	case h.Received == before.Received:
		return
	default:
		d.next = max(d.next, d.received())
	}
	d.heard, d.silence, d.window, d.away = now, hostSilence, min(2*d.window, hostWindow), false
}

// sent takes note that the publisher has taken a message.
func (s *distribution) sent(m *sealed, now time.Time) {
	s.inFlight[m.Ref] = m.to
	d := m.to
	d.told = now
	if m.index == pingIndex {
		return
	}
	if d.next == d.received() {
		d.heard = now
	}
	d.next++
}

// judge takes the broker's verdict on a message. One that was routed can be lost, too.
func (s *distribution) judge(v broker.Verdict) {
	d := s.inFlight[v.Ref]
	delete(s.inFlight, v.Ref)
	if v.Kind == broker.Routed {
		d.away = false
		return
	}
	d.away = v.Kind != broker.Unconfirmed // else the connection was lost
	d.next = d.received()
}

// giveUp takes the chunks on the way to silent hosts for lost.
func (s *distribution) giveUp(now time.Time) {
	for _, d := range s.order {
		if d.next > d.received() && now.Sub(d.heard) > d.silence {
			d.next, d.window, d.heard, d.silence = d.received(), 1, now, min(2*d.silence, maxHostSilence)
		}
	}
}

// choose returns the next message, or nil. It waits until the rate permits it.
func (s *distribution) choose(ctx context.Context, now time.Time) (*sealed, error) {
	onTheWay := int64(0)
	for _, d := range s.order {
		onTheWay += d.next - d.received()
		if interval := pingInterval; d.Received < d.Wanted {
			if d.away {
				interval = awayInterval
			}
			if now.Sub(d.told) >= interval {
				return s.seal(d, pingIndex, nil), nil
			}
		}
	}
	if onTheWay >= totalWindow {
		return nil, nil //nolint:nilnil // there is nothing to send
	}
	for i := range s.order {
		turn := (s.turn + i) % len(s.order)
		d := s.order[turn]
		if d.away || d.Received >= d.Wanted || d.next-d.received() >= d.window || d.next >= Chunks(min(d.Wanted, s.Size)) {
			continue
		}
		s.turn = turn + 1
		chunk, err := s.read(d.next)
		if err != nil {
			return nil, err
		}
		m := s.seal(d, d.next, chunk)
		return m, wait(ctx, s.limit, len(m.Msg.Body), s.Keep)
	}
	return nil, nil //nolint:nilnil // there is nothing to send
}

// read returns a chunk of the content.
func (s *distribution) read(index int64) ([]byte, error) {
	offset := index * wire.MaxFileChunk
	chunk := make([]byte, min(wire.MaxFileChunk, s.Size-offset))
	content := s.Open(offset)
	err := readChunk(content, chunk, index == Chunks(s.Size)-1)
	return chunk, errors.Join(err, content.Close())
}

// seal returns the message with a chunk, or a ping, which has none.
func (s *distribution) seal(d *destination, index int64, chunk []byte) *sealed {
	p := &broker.Publication{
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(d.Host), Mandatory: true, Answer: s.verdicts, Ref: uint64(s.attempt),
		Msg: amqp.Publishing{
			Type: wire.TypeChunk, CorrelationId: d.Job, ContentType: wire.ContentBytes, AppId: wire.AppID,
			Expiration: fmt.Sprint(d.silence.Milliseconds()),
			Headers:    amqp.Table{headerIndex: index, headerAttempt: s.attempt},
			Body:       s.box.seal(nil, s.attempt, index, chunk),
		},
	}
	s.attempt++
	return &sealed{p, d, index}
}
