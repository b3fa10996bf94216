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
	// as lost. The broker drops those that were not delivered by then.
	hostSilence = 10 * time.Second
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
func (s *HostSender) Run(ctx context.Context) error {
	b, err := newBox(s.Key)
	if err != nil {
		return err
	}
	link, err := broker.NewLink(s.Options)
	if err != nil {
		return err
	}
	publisher := broker.NewPublisher(totalWindow)
	ctx, stop := context.WithCancel(ctx)
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
	if err := g.Wait(); !errors.Is(err, errReleased) {
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
	order    []*destination // they take turns
	verdicts chan broker.Verdict
	inFlight map[uint64]*destination // of publications without a verdict
}

type destination struct {
	Destination
	next    int64     // index of the chunk that is sent next
	heard   time.Time // when the host reported something new, or chunks were lost
	lost    bool      // chunks were lost: only one is on the way
	away    bool      // the broker has not found the host's queue since the last try
	present bool
}

func newDistribution(s *HostSender, b box) *distribution {
	return &distribution{
		HostSender: s, box: b, limit: newLimit(s.Rate), hosts: map[string]*destination{}, inFlight: map[uint64]*destination{},
		verdicts: make(chan broker.Verdict, totalWindow), // never full: one for each publication in flight
	}
}

// received is how many chunks the host has.
func (d *destination) received() int64 { return d.Received / wire.MaxFileChunk }

// run publishes chunks.
func (s *distribution) run(ctx context.Context, in chan<- *broker.Publication) error {
	clock := time.NewTicker(hostSilence / 10)
	defer clock.Stop()
	var ready *broker.Publication
	var to *destination
	var index int64 // of ready
	for {
		if to != nil && (!to.present || to.next <= index) { // it has ended, or begins again
			ready, to = nil, nil
		}
		if ready == nil && len(s.inFlight) < totalWindow {
			if to = s.choose(); to != nil {
				var err error
				index = to.next
				if ready, err = s.seal(to); err != nil {
					return err
				}
				if err := wait(ctx, s.limit, len(ready.Msg.Body), s.Keep); err != nil {
					return err
				}
			}
		}
		var take chan<- *broker.Publication
		if ready != nil {
			take = in
		}
		select {
		case take <- ready:
			s.inFlight[ready.Ref] = to
			ready, to = nil, nil
		case v := <-s.verdicts:
			s.judge(v, time.Now())
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
			d = &destination{Destination: Destination{Received: -1}}
			s.hosts[h.Job] = d
			s.order = append(s.order, d)
		}
		d.present = true
		if h.Received != d.Received {
			d.heard, d.lost, d.away = now, false, false
		}
		if h.Received < d.Received { // it begins again, as after the manifest
			d.next = 0
		}
		d.Destination = h
		d.next = max(d.next, d.received())
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

// judge takes the broker's verdict on a chunk. One that was routed can be lost, too.
func (s *distribution) judge(v broker.Verdict, now time.Time) {
	d := s.inFlight[v.Ref]
	delete(s.inFlight, v.Ref)
	if v.Kind == broker.Routed {
		return
	}
	d.away = v.Kind != broker.Unconfirmed // else the connection was lost
	d.giveUp(now)
}

// giveUp takes the chunks on the way to silent hosts for lost, and tries again to reach those that
// were away.
func (s *distribution) giveUp(now time.Time) {
	for _, d := range s.order {
		d.away = false
		if d.next > d.received() && now.Sub(d.heard) > hostSilence {
			d.giveUp(now)
		}
	}
}

// giveUp takes the chunks on the way for lost.
func (d *destination) giveUp(now time.Time) { d.next, d.heard, d.lost = d.received(), now, true }

// choose returns the destination of the next chunk, or nil.
func (s *distribution) choose() (chosen *destination) {
	onTheWay, turn := int64(0), 0
	for i, d := range s.order {
		n := d.next - d.received()
		onTheWay += n
		window := int64(hostWindow)
		if d.lost {
			window = 1
		}
		if chosen == nil && !d.away && d.Received < d.Wanted && n < window && d.next < Chunks(min(d.Wanted, s.Size)) {
			chosen, turn = d, i
		}
	}
	if chosen == nil || onTheWay >= totalWindow {
		return nil
	}
	s.order = append(append(s.order[:turn:turn], s.order[turn+1:]...), chosen)
	return chosen
}

// seal returns the next chunk for a host.
func (s *distribution) seal(d *destination) (*broker.Publication, error) {
	offset := d.next * wire.MaxFileChunk
	chunk := make([]byte, min(wire.MaxFileChunk, s.Size-offset))
	content := s.Open(offset)
	_, err := io.ReadFull(content, chunk)
	if err := errors.Join(err, content.Close()); err != nil {
		return nil, fmt.Errorf("cannot read the content: %w", err)
	}
	p := &broker.Publication{
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(d.Host), Mandatory: true, Answer: s.verdicts, Ref: uint64(s.attempt),
		Msg: amqp.Publishing{
			Type: wire.TypeChunk, CorrelationId: d.Job, ContentType: wire.ContentBytes, AppId: wire.AppID,
			Expiration: fmt.Sprint(hostSilence.Milliseconds()),
			Headers:    amqp.Table{headerIndex: d.next, headerAttempt: s.attempt},
			Body:       s.box.seal(nil, s.attempt, d.next, chunk),
		},
	}
	s.attempt++
	d.next++
	return p, nil
}
