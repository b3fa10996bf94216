package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DefaultWindow is how many publications may await the broker's confirmation.
// A broker on the same network confirms within about a millisecond, in which a
// publisher sends some 20 messages; at 50 ms round trip 1024 still allow
// 20,000 a second, more than RabbitMQ takes on two cores. And it bounds what a
// lost connection leaves in doubt.
const DefaultWindow = 1024

// drainTime is how long Serve waits for outstanding confirmations once its
// context has ended.
const drainTime = 2 * time.Second

// burst is how many publications are written, unless a cork's content is exceeded
// before, until confirmations are looked at again, and whether the broker takes
// messages at all.
const burst = 64

// blockedEvents is more than the number of times that a broker can change its
// mind between the end of Serve and the end of its connection.
const blockedEvents = 8

// A Publisher publishes for any number of goroutines, over one session after
// another.
type Publisher struct {
	in     chan *Publication // anybody → Serve; never closed
	window int
}

// NewPublisher makes a publisher with a window of publications in flight; 0
// means DefaultWindow.
func NewPublisher(window int) *Publisher {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Publisher{in: make(chan *Publication), window: window}
}

// In takes publications. A send waits while no session serves, the window is
// full, or the broker takes no messages; give it a second way out. Each
// publication that was taken gets exactly one verdict, and is the Publisher's from
// then on.
func (p *Publisher) In() chan<- *Publication { return p.in }

// Serve publishes over one session, on a channel of its own, until ctx ends
// (then it returns nil, once what is in flight has been confirmed, or 2 s
// later) or the channel or the connection does. The channel ends with the
// session. One Serve at a time.
func (p *Publisher) Serve(ctx context.Context, s *Session) error {
	ch, err := onChannel(s.Conn, func(*amqp.Channel) error { return nil })
	if err != nil {
		return fmt.Errorf("cannot open a channel to publish: %w", err)
	}
	return p.ServeOn(ctx, s, ch)
}

// ServeOn is Serve on a channel that nobody else publishes on.
func (p *Publisher) ServeOn(ctx context.Context, session *Session, ch *amqp.Channel) error {
	s := &serving{in: p.in, conn: session.Conn, ch: ch, cork: session.cork, flight: newFlight(p.window)}
	defer s.flight.abandon("the connection to the broker was lost before it confirmed")
	if err := s.prepare(p.window); err != nil {
		return err
	}
	return s.loop(ctx)
}

// serving is the state of one Serve. The library's reader is the sender on all
// its channels, and closes them.
type serving struct {
	in      <-chan *Publication
	conn    *amqp.Connection
	ch      *amqp.Channel
	cork    *cork // of conn, or nil
	flight  *flight
	blocked bool

	// With room for the whole window the reader never waits for us, not even
	// while we are stuck in a write: it would drop a confirmation after 5 s.
	returns  chan amqp.Return
	confirms chan amqp.Confirmation

	closed    chan *amqp.Error
	blockings chan amqp.Blocking
}

func (s *serving) prepare(window int) error {
	if err := Within(s.conn, CallTime, func() error { return s.ch.Confirm(false) }); err != nil {
		return fmt.Errorf("cannot publish with confirmations: %w", err)
	}
	s.returns = s.ch.NotifyReturn(make(chan amqp.Return, window))
	s.confirms = s.ch.NotifyPublish(make(chan amqp.Confirmation, window))
	s.closed = s.ch.NotifyClose(make(chan *amqp.Error, 1))
	s.blockings = s.conn.NotifyBlocked(make(chan amqp.Blocking, blockedEvents))
	return nil
}

func (s *serving) loop(ctx context.Context) error {
	for {
		in := s.in
		if s.blocked || s.flight.full() {
			in = nil
		}
		select {
		case <-ctx.Done():
			return s.drain()
		case p := <-in:
			if err := s.publish(p); err != nil {
				return err
			}
		case c, ok := <-s.confirms:
			if !ok {
				return s.lost()
			}
			if err := s.settle(c); err != nil {
				return err
			}
		case b, ok := <-s.blockings:
			s.blocked = ok && b.Active
			if !ok {
				s.blockings = nil
			}
		}
	}
}

// publish publishes p and what waits behind it, in as few writes as the cork
// allows: each wakes the broker.
func (s *serving) publish(p *Publication) error {
	s.cork.put()
	size := len(p.Msg.Body)
	err := s.write(p)
	for n := 1; n < burst && size < maxCorked && err == nil && !s.flight.full(); n++ {
		select {
		case p := <-s.in:
			size += len(p.Msg.Body)
			err = s.write(p)
			continue
		default:
		}
		break
	}
	err = errors.Join(err, s.cork.draw())
	if err == nil {
		return nil
	}
	// A failed write leaves half a frame on the wire, and the library does not
	// always notice: nothing good can follow.
	abandon(s.conn)
	for c := range s.confirms { // what has been confirmed before; the library closes it now
		if s.settle(c) != nil {
			break
		}
	}
	return &Error{Kind: ErrLost, Text: "cannot publish: " + reason(err), Err: err}
}

// write writes a message, and behind it, since nobody waits for that, what is to be
// acknowledged with it.
func (s *serving) write(p *Publication) error {
	defer acknowledge(p.Acks)
	if reason := unfit(p); reason != "" {
		answer(p.Answer, Verdict{Ref: p.Ref, Kind: Nacked, Reason: reason})
		return nil
	}
	seq := s.flight.add(p.Ref, p.Answer)
	p.Msg.MessageId = strconv.FormatUint(seq, 10)
	_, err := s.ch.PublishWithDeferredConfirm(p.Exchange, p.Key, p.Mandatory, false, p.Msg)
	return err
}

// acknowledge does so. It fails where a delivery is of an earlier session, which
// has given it back, or where the next write fails too.
func acknowledge(ds []amqp.Delivery) {
	for _, d := range ds {
		_ = d.Ack(false)
	}
}

// settle takes one confirmation. The reader has sent the return of a message
// before its confirmation, so it lies in its channel by now.
func (s *serving) settle(c amqp.Confirmation) error {
	for {
		select {
		case r, ok := <-s.returns:
			if ok {
				s.flight.returned(r.MessageId, r.ReplyText)
				continue
			}
		default:
		}
		return s.flight.settle(c.DeliveryTag, c.Ack)
	}
}

// drain waits for the confirmations that are still to come.
func (s *serving) drain() error {
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for !s.flight.empty() {
		select {
		case c, ok := <-s.confirms:
			if !ok {
				return nil
			}
			if err := s.settle(c); err != nil {
				return err
			}
		case <-timer.C:
			abandon(s.conn)
			return nil
		}
	}
	return nil
}

// lost tells why the channel ended. Its last confirmations have been read: the
// library closes their channel behind them.
func (s *serving) lost() error {
	if e := <-s.closed; e != nil { // closed, at the latest, together with confirms
		return channelLost(e)
	}
	return &Error{Kind: ErrLost, Text: "the channel to publish was closed"}
}

// unfit says why a message cannot be put into frames; the library would break
// the connection over it, and so again at each repetition.
func unfit(p *Publication) string {
	m := &p.Msg
	for _, text := range []string{
		p.Exchange, p.Key, m.ContentType, m.ContentEncoding, m.CorrelationId,
		m.ReplyTo, m.Expiration, m.Type, m.UserId, m.AppId,
	} {
		if len(text) > 255 { // shortstr, AMQP 0-9-1, 4.2.5.3
			return fmt.Sprintf("a name or property of %d bytes; AMQP allows 255", len(text))
		}
	}
	for name := range m.Headers {
		if len(name) > 255 {
			return fmt.Sprintf("a header's name of %d bytes; AMQP allows 255", len(name))
		}
	}
	if err := m.Headers.Validate(); err != nil {
		return err.Error()
	}
	return ""
}
