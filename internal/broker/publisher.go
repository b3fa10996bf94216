package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
)

// DefaultWindow is how many publications may await the broker's confirmation. A broker on
// the same network confirms within about a millisecond, in which a publisher sends some
// 20 messages. With a round trip of 50 ms, 1024 still allow 20,000 a second, more than
// RabbitMQ handles on two cores. The window also bounds what a lost connection leaves in
// doubt.
const DefaultWindow = 1024

// drainTimeout is how long Serve waits for outstanding confirmations after its context
// has ended.
const drainTimeout = 2 * time.Second

// burst is how many publications are written before Serve looks at confirmations again,
// and at whether the broker accepts messages at all. A full cork ends a burst sooner.
const burst = 64

// A Publisher publishes for any number of goroutines, over one session after
// another.
type Publisher struct {
	in           chan *Publication // any goroutine → Serve; never closed
	drainTimeout time.Duration

	// Of Serve alone.
	window    sendWindow
	blocking  blocking
	anonymous bool // the broker knows the login by another name: send no UserId
}

// NewPublisher returns a publisher with a window of publications in flight; 0 means
// DefaultWindow.
func NewPublisher(window int) *Publisher {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Publisher{in: make(chan *Publication), drainTimeout: drainTimeout, window: newSendWindow(window)}
}

// In takes publications. A send waits while no session serves, the window is full, or
// the broker accepts no messages; select on a second exit, too. Each publication that
// was taken gets exactly one verdict, and belongs to the Publisher from then on.
func (p *Publisher) In() chan<- *Publication { return p.in }

// Serve publishes over one session, on a channel of its own, until ctx or the connection
// ends. When ctx ends it waits up to 2 s for outstanding confirmations and returns nil.
// If the broker refuses a publication, Serve continues on another channel. The channel
// ends with the session. Only one Serve of a Publisher may run at a time; several
// Publishers may serve one session.
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

// ServeOn is Serve on a channel on which only it publishes. It returns ErrRefused if
// the broker has closed the channel over a publication. The connection is still good:
// call ServeOn again with another channel.
func (p *Publisher) ServeOn(ctx context.Context, session *Session, ch *amqp.Channel) error {
	p.window.newChannel()
	s := &serving{Publisher: p, session: session, ch: ch, flight: newInFlight(p.window.size)}
	defer s.abandon("the connection to the broker was lost before it confirmed")
	if err := s.prepare(); err != nil {
		return err
	}
	return s.loop(ctx)
}

// serving is the state of one Serve. The library's reader sends on all its channels, and
// closes them.
type serving struct {
	*Publisher
	session *Session
	ch      *amqp.Channel
	flight  *inFlight
	waiting *Publication // must go alone, and waits for those in flight; may be nil
	alone   bool         // the publication in flight goes alone

	// With room for the whole window the reader never waits for us, not even while we
	// are stuck in a write. Otherwise it would drop a confirmation after 5 s.
	returns  chan amqp.Return
	confirms chan amqp.Confirmation

	closed chan *amqp.Error
}

func (s *serving) prepare() error {
	if err := CallWithTimeout(s.session.Conn, CallTimeout, func() error { return s.ch.Confirm(false) }); err != nil {
		return fmt.Errorf("cannot publish with confirmations: %w", err)
	}
	s.returns = s.ch.NotifyReturn(make(chan amqp.Return, s.window.size))
	s.confirms = s.ch.NotifyPublish(make(chan amqp.Confirmation, s.window.size))
	s.closed = s.ch.NotifyClose(make(chan *amqp.Error, 1))
	s.blocking.watch(s.session.Conn)
	return nil
}

// room reports whether another publication may be taken.
func (s *serving) room() bool {
	return !s.alone && s.waiting == nil && s.flight.count() < s.window.limit
}

func (s *serving) loop(ctx context.Context) error {
	for {
		in := s.in
		if s.blocking.blocked || !s.room() {
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
		case b, ok := <-s.blocking.events:
			s.blocking.note(b, ok)
		}
	}
}

// publish publishes p and the publications that wait behind it, in as few writes as the
// cork allows: each write wakes the broker.
func (s *serving) publish(p *Publication) error {
	if s.window.mustGoAlone(p) {
		if !s.flight.empty() {
			s.waiting = p
			return nil
		}
		s.alone = true
	}
	s.session.cork.Cork()
	size := len(p.Msg.Body)
	err := s.write(p)
	for n := 1; n < burst && size < dial.MaxCorked && err == nil && s.room(); n++ {
		select {
		case p := <-s.in:
			if s.window.mustGoAlone(p) {
				s.waiting = p
				continue
			}
			size += len(p.Msg.Body)
			err = s.write(p)
			continue
		default:
		}
		break
	}
	err = errors.Join(err, s.session.cork.Uncork())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, amqp.ErrClosed): // the message was not written
	default:
		// A failed write leaves half a frame on the wire, and the library does not
		// always notice: the connection is unusable.
		abandon(s.session.Conn)
	}
	for c := range s.confirms { // confirmed before the end; the library closes the channel now
		if s.settle(c) != nil {
			break
		}
	}
	if errors.Is(err, amqp.ErrClosed) {
		return s.lost()
	}
	return &Error{Kind: ErrLost, Message: "cannot publish: " + dial.Reason(err), Err: err}
}

// write writes a message, and behind it its acknowledgments.
func (s *serving) write(p *Publication) error {
	defer acknowledge(p.Acks)
	if reason := validate(p); reason != "" {
		answer(p.Answer, Verdict{Ref: p.Ref, Kind: Refused, Reason: reason})
		s.alone = s.alone && !s.flight.empty()
		return nil
	}
	seq := s.flight.add(p)
	p.Msg.MessageId = strconv.FormatUint(seq, 10)
	if p.Vouched && !s.anonymous {
		p.Msg.UserId = s.session.User
	}
	_, err := s.ch.PublishWithDeferredConfirm(p.Exchange, p.Key, p.Mandatory, false, p.Msg)
	if errors.Is(err, amqp.ErrClosed) {
		s.flight.undoAdd()
		s.waiting = p
	}
	return err
}

// acknowledge ignores errors: either the delivery belongs to an earlier session, which
// has returned it to its queue, or the next write fails, too.
func acknowledge(ds []amqp.Delivery) {
	for _, d := range ds {
		_ = d.Ack(false)
	}
}

// confirmed handles one confirmation, or the end of the channel. It publishes what
// waited for the confirmation.
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
	s.alone = false
	if p := s.waiting; p != nil {
		s.waiting = nil
		return s.publish(p)
	}
	return nil
}

// settle handles one confirmation. The reader sends the return of a message before its
// confirmation, so a return is in its channel by now.
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
		confirmed := *s.flight.at(c.DeliveryTag)
		err := s.flight.settle(c.DeliveryTag, c.Ack)
		if err == nil {
			s.window.accepted(confirmed.exchange, confirmed.size)
		}
		return err
	}
}

// drain waits for outstanding confirmations.
func (s *serving) drain() error {
	timer := time.NewTimer(s.drainTimeout)
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

// abandon answers all publications that were taken.
func (s *serving) abandon(reason string) {
	s.flight.abandon(reason)
	if s.waiting != nil {
		answer(s.waiting.Answer, Verdict{Ref: s.waiting.Ref, Kind: Unconfirmed, Reason: reason})
		s.waiting = nil
	}
}

// lost returns why the channel ended. Its last confirmations have been read: the library
// closes their channel after them.
func (s *serving) lost() error {
	e := <-s.closed // closed, at the latest, together with confirms
	switch {
	case e == nil:
		return &Error{Kind: ErrLost, Message: "the channel to publish was closed"}
	case !e.Server || !refusesPublication(e) || s.flight.empty() || s.session.Conn.IsClosed():
		return channelLost(e)
	}
	n := s.flight.count()
	switch {
	case strings.Contains(e.Reason, "user_id"):
		// "user_id property set to 'x' but authenticated user was 'y'": a token or a
		// directory maps the login's name to another user.
		s.anonymous = true
	case n == 1:
		s.flight.pop(Refused, e.Reason)
	}
	s.window.refused(n)
	s.abandon("the broker closed the channel over one of several publications: " + e.Reason)
	return &Error{Kind: ErrRefused, Message: "the broker refused a publication: " + e.Reason, Err: e}
}

// validate returns why a message does not fit into AMQP's frames, or "". The library would
// break the connection over such a message, and again at each repetition.
func validate(p *Publication) string {
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
