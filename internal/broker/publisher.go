package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	in chan *Publication // anybody → Serve; never closed

	// Of Serve alone.
	caution   caution
	anonymous bool // the broker knows us by another name than we do
}

// NewPublisher makes a publisher with a window of publications in flight; 0
// means DefaultWindow.
func NewPublisher(window int) *Publisher {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Publisher{in: make(chan *Publication), caution: newCaution(window)}
}

// In takes publications. A send waits while no session serves, the window is
// full, or the broker takes no messages; give it a second way out. Each
// publication that was taken gets exactly one verdict, and is the Publisher's from
// then on.
func (p *Publisher) In() chan<- *Publication { return p.in }

// Serve publishes over one session, on a channel of its own, until ctx ends
// (then it returns nil, once what is in flight has been confirmed, or 2 s
// later) or the connection does. Where the broker refuses a publication Serve goes on,
// on another channel. The channel ends with the session. One Serve at a time.
func (p *Publisher) Serve(ctx context.Context, s *Session) error {
	for {
		ch, err := onChannel(s.Conn, func(*amqp.Channel) error { return nil })
		if err != nil {
			return fmt.Errorf("cannot open a channel to publish: %w", err)
		}
		if err := p.ServeOn(ctx, s, ch); !errors.Is(err, ErrRefused) {
			return err
		}
	}
}

// ServeOn is Serve on a channel that nobody else publishes on. It returns ErrRefused
// where the broker has closed the channel over a publication: the connection is
// sound, and publishing can go on with ServeOn on another channel.
func (p *Publisher) ServeOn(ctx context.Context, session *Session, ch *amqp.Channel) error {
	p.caution.newChannel()
	s := &serving{Publisher: p, session: session, ch: ch, flight: newFlight(p.caution.window)}
	defer s.abandon("the connection to the broker was lost before it confirmed")
	if err := s.prepare(); err != nil {
		return err
	}
	return s.loop(ctx)
}

// serving is the state of one Serve. The library's reader is the sender on all
// its channels, and closes them.
type serving struct {
	*Publisher
	session *Session
	ch      *amqp.Channel
	flight  *flight
	held    *Publication // is to go alone, and waits for those in flight; nil none
	solo    bool         // what is in flight goes alone

	// With room for the whole window the reader never waits for us, not even
	// while we are stuck in a write: it would drop a confirmation after 5 s.
	returns  chan amqp.Return
	confirms chan amqp.Confirmation

	closed chan *amqp.Error
}

func (s *serving) prepare() error {
	if err := Within(s.session.Conn, CallTime, func() error { return s.ch.Confirm(false) }); err != nil {
		return fmt.Errorf("cannot publish with confirmations: %w", err)
	}
	s.returns = s.ch.NotifyReturn(make(chan amqp.Return, s.caution.window))
	s.confirms = s.ch.NotifyPublish(make(chan amqp.Confirmation, s.caution.window))
	s.closed = s.ch.NotifyClose(make(chan *amqp.Error, 1))
	s.session.watchBlocked()
	return nil
}

// room reports whether another publication may be taken.
func (s *serving) room() bool {
	return !s.solo && s.held == nil && s.flight.count() < s.caution.limit
}

func (s *serving) loop(ctx context.Context) error {
	for {
		in := s.in
		if s.session.blocked || !s.room() {
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
			if err := s.confirmed(c, ok); err != nil {
				return err
			}
		case b, ok := <-s.session.blockings:
			s.session.noteBlocked(b, ok)
		}
	}
}

// publish publishes p and what waits behind it, in as few writes as the cork
// allows: each wakes the broker.
func (s *serving) publish(p *Publication) error {
	if s.caution.alone(p) {
		if !s.flight.empty() {
			s.held = p
			return nil
		}
		s.solo = true
	}
	s.session.cork.put()
	size := len(p.Msg.Body)
	err := s.write(p)
	for n := 1; n < burst && size < maxCorked && err == nil && s.room(); n++ {
		select {
		case p := <-s.in:
			if s.caution.alone(p) {
				s.held = p
				continue
			}
			size += len(p.Msg.Body)
			err = s.write(p)
			continue
		default:
		}
		break
	}
	err = errors.Join(err, s.session.cork.draw())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, amqp.ErrClosed): // of what was not written
	default:
		// A failed write leaves half a frame on the wire, and the library does not
		// always notice: nothing good can follow.
		abandon(s.session.Conn)
	}
	for c := range s.confirms { // what has been confirmed before; the library closes it now
		if s.settle(c) != nil {
			break
		}
	}
	if errors.Is(err, amqp.ErrClosed) {
		return s.lost()
	}
	return &Error{Kind: ErrLost, Text: "cannot publish: " + reason(err), Err: err}
}

// write writes a message, and behind it, since nobody waits for that, what is to be
// acknowledged with it.
func (s *serving) write(p *Publication) error {
	defer acknowledge(p.Acks)
	if reason := unfit(p); reason != "" {
		answer(p.Answer, Verdict{Ref: p.Ref, Kind: Refused, Reason: reason})
		s.solo = s.solo && !s.flight.empty()
		return nil
	}
	seq := s.flight.add(p)
	p.Msg.MessageId = strconv.FormatUint(seq, 10)
	if p.Vouched && !s.anonymous {
		p.Msg.UserId = s.session.User
	}
	_, err := s.ch.PublishWithDeferredConfirm(p.Exchange, p.Key, p.Mandatory, false, p.Msg)
	if errors.Is(err, amqp.ErrClosed) {
		s.flight.takeBack()
		s.held = p
	}
	return err
}

// acknowledge does so. It fails where a delivery is of an earlier session, which
// has given it back, or where the next write fails too.
func acknowledge(ds []amqp.Delivery) {
	for _, d := range ds {
		_ = d.Ack(false)
	}
}

// confirmed takes one confirmation, or the end of the channel, and sends what has
// waited for it.
func (s *serving) confirmed(c amqp.Confirmation, ok bool) error {
	if !ok {
		return s.lost()
	}
	if err := s.settle(c); err != nil {
		return err
	}
	if !s.flight.empty() {
		return nil
	}
	s.solo = false
	if p := s.held; p != nil {
		s.held = nil
		return s.publish(p)
	}
	return nil
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
		taken := *s.flight.at(c.DeliveryTag)
		err := s.flight.settle(c.DeliveryTag, c.Ack)
		if err == nil {
			s.caution.accepted(taken.exchange, taken.size)
		}
		return err
	}
}

// drain waits for the confirmations that are still to come.
func (s *serving) drain() error {
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for !s.flight.empty() {
		select {
		case c, ok := <-s.confirms:
			err := s.confirmed(c, ok)
			if err != nil && !ok && !errors.Is(err, ErrRefused) {
				return nil
			}
			if err != nil {
				return err
			}
		case <-timer.C:
			abandon(s.session.Conn)
			return nil
		}
	}
	return nil
}

// abandon answers all that was taken.
func (s *serving) abandon(reason string) {
	s.flight.abandon(reason)
	if s.held != nil {
		answer(s.held.Answer, Verdict{Ref: s.held.Ref, Kind: Unconfirmed, Reason: reason})
		s.held = nil
	}
}

// lost tells why the channel ended. Its last confirmations have been read: the
// library closes their channel behind them.
func (s *serving) lost() error {
	e := <-s.closed // closed, at the latest, together with confirms
	switch {
	case e == nil:
		return &Error{Kind: ErrLost, Text: "the channel to publish was closed"}
	case !e.Server || !refuses(e) || s.flight.empty() || s.session.Conn.IsClosed():
		return channelLost(e)
	}
	n := s.flight.count()
	switch {
	case strings.Contains(e.Reason, "user_id"):
		// It says "user_id property set to 'x' but authenticated user was 'y'", as
		// where a token or a directory makes another user of the login's name.
		s.anonymous = true
	case n == 1:
		s.flight.pop(Refused, e.Reason)
	}
	s.caution.refused(n)
	s.abandon("the broker closed the channel over one of several publications: " + e.Reason)
	return &Error{Kind: ErrRefused, Text: "the broker refused a publication: " + e.Reason, Err: e}
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
