package outbox

import (
	"slices"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/broker"
)

const (
	// QuietPeriod is how long nothing is sent of a new job but its end, so that a quick
	// command costs one reply.
	QuietPeriod = 100 * time.Millisecond

	// Window is how many publications of one agent may be unconfirmed: enough to stream
	// output over a slow link (64 × 32 KiB), and little enough to keep in memory.
	Window = 64

	// retryDelay is the pause after the broker has nacked a reply: the reply queue is full,
	// or a queue with the same binding is on a node that is down, and then the reply has
	// arrived nevertheless. It doubles with each nack up to maxRetryDelay.
	retryDelay    = 500 * time.Millisecond
	maxRetryDelay = 32 * time.Second

	// maxOneShots bounds the one-shot replies that wait. Above it the oldest is dropped:
	// its operator asks again.
	maxOneShots = 1024

	// maxStreams bounds the reply queues that follow one job.
	maxStreams = 4
)

// A OneShot is a reply that is sent once and not kept: state, checked, hello, and the
// rejection of a request whose job is not in the table.
type OneShot struct {
	To, Correlation string
	Reply           any
}

// A Content says how much of the content of a push a running job wants, from the beginning, and
// how much it has received, in bytes. Wanted is 0 before the job wants any.
type Content struct{ Wanted, Received int64 }

// A messageKind is what a message says.
type messageKind int

const (
	oneShot  messageKind = iota
	progress             // the job was accepted or has started
	transfer             // how far the content of a push has come
	output               // a chunk of output
	end                  // the outcome
)

// A Message is one publication.
type Message struct {
	Ref             uint64 // in the broker's verdict
	To, Correlation string
	Reply           any             // nil for output
	Inline          []outputlog.Ref // output to put into an ended reply
	Output          outputlog.Ref

	kind   messageKind
	stream *stream // nil for a one-shot reply
	chunk  int     // of output: its index in the job's output
}

// An Outbox holds the messages that are not yet sent or not yet confirmed.
type Outbox struct {
	has      func(outputlog.Ref) bool // whether output is still kept
	streams  map[*jobtable.Job][]*stream
	contents map[*jobtable.Job]Content // of running pushes
	oneShots []OneShot
	ready    []*stream // they may have something to send; they take turns
	delayed  []*stream // quiet or paused
	inFlight map[uint64]*Message
	lastRef  uint64
	head     *Message // waits for the publisher
}

// New returns an empty outbox. Has reports whether output is still kept.
func New(has func(outputlog.Ref) bool) *Outbox {
	return &Outbox{has: has, streams: map[*jobtable.Job][]*stream{}, contents: map[*jobtable.Job]Content{}, inFlight: map[uint64]*Message{}}
}

// Subscribe has a reply queue follow a job from its start. A queue that follows it already
// stays where it is.
func (o *Outbox) Subscribe(j *jobtable.Job, to string, now time.Time) {
	if s := o.find(j, to); s != nil {
		o.schedule(s)
		return
	}
	if all := o.streams[j]; len(all) == maxStreams {
		o.drop(all[0])
	}
	s := &stream{job: j, to: to}
	if age := now.Sub(j.AcceptedAt); age >= 0 && age < QuietPeriod { // less than 0: the clock was set back
		o.delay(s, quiet, j.AcceptedAt.Add(QuietPeriod))
	}
	o.streams[j] = append(o.streams[j], s)
	o.schedule(s)
}

// Resend sends a reply queue everything about a job again, output included, but for the first have
// bytes of standard output. If it has sent to that queue before, it leaves out only what it has
// sent: have is not signed, and anybody can send an earlier request again with another number.
func (o *Outbox) Resend(j *jobtable.Job, to string, have int64, now time.Time) {
	had := len(j.Output)
	if s := o.find(j, to); s != nil {
		had = s.nextChunk
		o.drop(s)
	}
	o.Subscribe(j, to, now)
	s := o.find(j, to)
	s.have, s.had = have, had
}

// ContentChanged sends how far the content of a running push has come, also if that was sent
// before: the operator may have lost it.
func (o *Outbox) ContentChanged(j *jobtable.Job, c Content) {
	o.contents[j] = c
	for _, s := range o.streams[j] {
		s.content = Content{}
	}
	o.JobChanged(j)
}

// JobChanged sends what is new about a job.
func (o *Outbox) JobChanged(j *jobtable.Job) {
	if j.Phase == jobtable.Ended {
		delete(o.contents, j)
	}
	for _, s := range o.streams[j] {
		o.schedule(s)
	}
}

// SendOnce sends a reply once.
func (o *Outbox) SendOnce(r OneShot) {
	if len(o.oneShots) == maxOneShots {
		o.oneShots = o.oneShots[1:]
	}
	o.oneShots = append(o.oneShots, r)
}

// Idle reports whether everything has been delivered.
func (o *Outbox) Idle() bool {
	paused := slices.ContainsFunc(o.delayed, func(s *stream) bool { return s.state == paused })
	return o.head == nil && len(o.oneShots) == 0 && len(o.ready) == 0 && !paused && len(o.inFlight) == 0
}

// Next returns what to publish next, the same until Sent or Skip; nil if there is nothing,
// or if too much is unconfirmed.
func (o *Outbox) Next(now time.Time) *Message {
	if o.head == nil && len(o.inFlight) < Window {
		if o.head = o.choose(now); o.head != nil {
			o.lastRef++
			o.head.Ref = o.lastRef
		}
	}
	return o.head
}

// Sent notes that the publisher has taken the message.
func (o *Outbox) Sent() {
	o.inFlight[o.head.Ref] = o.head
	o.head = nil
}

// Skip drops the message, a chunk of output that cannot be read.
func (o *Outbox) Skip() {
	o.head.stream.unconfirmed--
	o.head = nil
}

func (o *Outbox) choose(now time.Time) *Message {
	if len(o.oneShots) > 0 {
		r := o.oneShots[0]
		o.oneShots = o.oneShots[1:]
		return &Message{To: r.To, Correlation: r.Correlation, Reply: r.Reply, kind: oneShot}
	}
	for len(o.ready) > 0 {
		s := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		s.queued = false
		if m := s.next(o.has, o.contents[s.job], now); m != nil {
			m.To, m.Correlation, m.stream = s.to, s.job.ID, s
			o.schedule(s) // at the end: streams take turns
			return m
		}
	}
	return nil
}

// Confirm takes the broker's verdict on a publication, and returns the job whose outcome was
// delivered by it. A returned reply means that the operator's process is gone: the result
// is kept until somebody asks. What the broker refuses it would refuse again. Everything
// else is sent again.
func (o *Outbox) Confirm(v broker.Verdict, now time.Time) (delivered *jobtable.Job) {
	m, ok := o.inFlight[v.Ref]
	if !ok {
		return nil
	}
	delete(o.inFlight, v.Ref)
	again := v.Kind == broker.Nacked || v.Kind == broker.Unconfirmed
	s := m.stream
	if s == nil {
		if v.Kind == broker.Unconfirmed { // not after a nack: the queue is full, and its operator can ask again
			o.SendOnce(OneShot{m.To, m.Correlation, m.Reply})
		}
		return nil
	}
	if m.kind == output {
		s.unconfirmed--
	}
	switch {
	case s.state == dropped:
		return nil
	case again:
		s.sendAgain(m)
	case v.Kind == broker.Refused:
		s.refused(m, v.Reason)
	case v.Kind == broker.Returned:
		s.state = dropped
	case m.kind == end: // routed
		s.state, delivered = dropped, s.job
	default:
		s.nacks = 0
	}
	if s.state == dropped {
		o.drop(s)
		return delivered
	}
	if v.Kind == broker.Nacked && s.state != ending && s.state != paused {
		o.delay(s, paused, now.Add(min(retryDelay<<min(s.nacks, 10), maxRetryDelay)))
		s.nacks++
	}
	o.schedule(s)
	return nil
}

// WakeAt returns when Tick has something to do; zero for never.
func (o *Outbox) WakeAt() (at time.Time) {
	o.delayed = slices.DeleteFunc(o.delayed, func(s *stream) bool { return !s.delayed() })
	for _, s := range o.delayed {
		if at.IsZero() || s.until.Before(at) {
			at = s.until
		}
	}
	return at
}

// Tick resumes the streams whose delay is over.
func (o *Outbox) Tick(now time.Time) {
	o.delayed = slices.DeleteFunc(o.delayed, func(s *stream) bool {
		if s.delayed() && now.Before(s.until) {
			return false
		}
		if s.delayed() {
			s.state = following
			o.schedule(s)
		}
		return true
	})
}

// find returns the stream of a reply queue; nil if it does not follow the job.
func (o *Outbox) find(j *jobtable.Job, to string) *stream {
	for _, s := range o.streams[j] {
		if s.to == to {
			return s
		}
	}
	return nil
}

func (o *Outbox) schedule(s *stream) {
	if !s.queued {
		s.queued = true
		o.ready = append(o.ready, s)
	}
}

// delay puts a stream into a state that ends at until.
func (o *Outbox) delay(s *stream, state streamState, until time.Time) {
	if !s.delayed() {
		o.delayed = append(o.delayed, s)
	}
	s.state, s.until = state, until
}

// drop ends a stream. The job keeps its result.
func (o *Outbox) drop(s *stream) {
	s.state = dropped
	rest := slices.DeleteFunc(slices.Clone(o.streams[s.job]), func(x *stream) bool { return x == s })
	if o.streams[s.job] = rest; len(rest) == 0 {
		delete(o.streams, s.job)
	}
}
