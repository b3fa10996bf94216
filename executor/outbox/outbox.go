package outbox

import (
	"cmp"
	"slices"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/broker"
	"warren/internal/wire"
)

const (
	// QuietPeriod is how long a job may wait, and then how long its command may run once
	// its process is known (process.Run), before its operator hears anything but its end:
	// a quick command costs one reply.
	QuietPeriod = 50 * time.Millisecond

	// StartAllowance is how long a job that was begun may take until its process is known,
	// or has ended: on a busy machine, news would only add to the load. Operators wait
	// longer than that before they ask again.
	StartAllowance = 1500 * time.Millisecond

	// Window is how many publications of one agent may be unconfirmed: enough
	// to stream output over a slow link (64 × 32 KiB), little enough to hold.
	Window = 64

	// retryDelay is the pause after the broker has refused a reply because the
	// callback queue is full.
	retryDelay = 500 * time.Millisecond

	// maxOneShots bounds the replies that no job keeps. Above it the oldest is dropped:
	// its operator asks again.
	maxOneShots = 1024

	// maxStreams bounds the reply queues that follow one job.
	maxStreams = 4
)

// A stream sends one reply queue the news of one job: that it was accepted or has
// started, its output in order, and, when all of that is confirmed, its end.
type stream struct {
	of *jobStreams
	to string

	queued      bool           // in outbox.ready
	sent        jobtable.Phase // the last progress sent: waiting is accepted
	sentAny     bool
	next        int  // first chunk of job.kept that is not sent
	unconfirmed int  // chunks in flight
	ending      bool // ended is in flight
	postponed   bool // in outbox.postponed
	dropped     bool // nothing is sent any more

	// outputRefused is why the broker refuses the output, in its words. The outcome is
	// sent without it.
	outputRefused string
}

// jobStreams has the streams of one job.
type jobStreams struct {
	job        *jobtable.Job
	streams    []*stream
	quietUntil time.Time // before that, only the end is sent
}

// A OneShot is a reply that stands by itself: state, checked, hello, and the
// refusal of a request that the journal does not know.
type OneShot struct {
	To, Correlation string
	Reply           any
}

// A Message is one publication: a reply, or a chunk of output.
type Message struct {
	Ref             uint64 // in the broker's verdict
	To, Correlation string
	Reply           any             // nil: it is output
	Inline          []outputlog.Ref // of an ended: output to put into it
	Output          outputlog.Ref

	stream *stream // nil for a oneShotReply
	chunk  int     // index in job.kept; -1 for the other types
	last   bool    // it is ended
}

// Outbox decides what is published next. It is pure state: it knows where output is
// kept, and leaves reading it to whoever builds the publication.
type Outbox struct {
	has       func(outputlog.Ref) bool // output is still kept
	jobs      map[*jobtable.Job]*jobStreams
	quiet     []*jobStreams // in their quiet period
	oneShots  []OneShot
	ready     []*stream // that have something to send, in turn
	inFlight  map[uint64]*Message
	ref       uint64
	head      *Message  // waiting for the publisher
	postponed []*stream // refused by the broker until retryAt
	retryAt   time.Time
}

func New(has func(outputlog.Ref) bool) *Outbox {
	return &Outbox{has: has, jobs: map[*jobtable.Job]*jobStreams{}, inFlight: map[uint64]*Message{}}
}

func (o *Outbox) streamsOf(j *jobtable.Job) *jobStreams {
	r := o.jobs[j]
	if r == nil {
		r = &jobStreams{job: j}
		o.jobs[j] = r
	}
	return r
}

// JobAccepted begins the quiet period of a new job.
func (o *Outbox) JobAccepted(j *jobtable.Job, now time.Time) {
	r := o.streamsOf(j)
	r.quietUntil = now.Add(QuietPeriod)
	o.quiet = append(o.quiet, r)
}

// ExtendQuietPeriod moves the end of the quiet period, unless it is over.
func (o *Outbox) ExtendQuietPeriod(j *jobtable.Job, now time.Time, d time.Duration) {
	if r := o.jobs[j]; r != nil && now.Before(r.quietUntil) {
		r.quietUntil = now.Add(d)
	}
}

// Subscribe sends a reply queue all news of j from its start. A queue that follows j
// already stays where it is.
func (o *Outbox) Subscribe(j *jobtable.Job, to string) {
	r := o.streamsOf(j)
	for _, s := range r.streams {
		if s.to == to {
			o.schedule(s)
			return
		}
	}
	if len(r.streams) == maxStreams {
		o.drop(r.streams[0])
	}
	s := &stream{of: r, to: to}
	r.streams = append(r.streams, s)
	o.schedule(s)
}

// Resend sends everything again, output included.
func (o *Outbox) Resend(j *jobtable.Job, to string) {
	for _, s := range o.streamsOf(j).streams {
		if s.to == to {
			o.drop(s)
			break
		}
	}
	o.Subscribe(j, to)
}

// JobChanged schedules all streams of j.
func (o *Outbox) JobChanged(j *jobtable.Job) {
	r := o.jobs[j]
	if r == nil {
		return
	}
	for _, s := range r.streams {
		o.schedule(s)
	}
	o.tidy(r)
}

func (o *Outbox) schedule(s *stream) {
	if !s.queued {
		s.queued = true
		o.ready = append(o.ready, s)
	}
}

// drop ends a stream; the job keeps its result.
func (o *Outbox) drop(s *stream) {
	s.dropped = true
	r := s.of
	r.streams = slices.DeleteFunc(slices.Clone(r.streams), func(x *stream) bool { return x == s })
	o.tidy(r)
}

// tidy forgets a job of which there is nothing to remember.
func (o *Outbox) tidy(r *jobStreams) {
	if len(r.streams) == 0 && (r.job.Phase == jobtable.Ended || !slices.Contains(o.quiet, r)) {
		delete(o.jobs, r.job)
	}
}

// SendOnce sends a reply that no job keeps.
func (o *Outbox) SendOnce(r OneShot) {
	if len(o.oneShots) == maxOneShots {
		o.oneShots = o.oneShots[1:]
	}
	o.oneShots = append(o.oneShots, r)
}

// Idle reports whether everything has been delivered.
func (o *Outbox) Idle() bool {
	return o.head == nil && len(o.oneShots) == 0 && len(o.ready) == 0 && len(o.postponed) == 0 && len(o.inFlight) == 0
}

// Next is what to publish next, the same until sent or skip; nil where there is
// nothing, or where the window is full.
func (o *Outbox) Next(now time.Time) *Message {
	if o.head == nil && len(o.inFlight) < Window {
		if o.head = o.choose(now); o.head != nil {
			o.ref++
			o.head.Ref = o.ref
		}
	}
	return o.head
}

// Sent says that the publisher has taken the message.
func (o *Outbox) Sent() {
	o.inFlight[o.head.Ref] = o.head
	o.head = nil
}

// Skip leaves out the message, a chunk of output that cannot be read.
func (o *Outbox) Skip() {
	o.head.stream.unconfirmed--
	o.head = nil
}

func (o *Outbox) choose(now time.Time) *Message {
	if len(o.oneShots) > 0 {
		r := o.oneShots[0]
		o.oneShots = o.oneShots[1:]
		return &Message{To: r.To, Correlation: r.Correlation, Reply: r.Reply, chunk: -1}
	}
	for len(o.ready) > 0 {
		s := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		s.queued = false
		if m := o.following(s, now); m != nil {
			m.To, m.Correlation, m.stream = s.to, s.of.job.ID, s
			o.schedule(s) // at the back: jobs take turns
			return m
		}
	}
	return nil
}

// following is the next message of one stream, or nil where it has to wait: for the
// end of the quiet period, or until the journal has what it is about to say.
func (o *Outbox) following(s *stream, now time.Time) *Message {
	j := s.of.job
	if s.dropped || s.postponed || s.ending || !j.Durable() || (j.Phase != jobtable.Ended && now.Before(s.of.quietUntil)) {
		return nil
	}
	if j.Phase == jobtable.Ended && s.next == 0 && s.outputRefused == "" && o.fitsInline(j) {
		s.ending = true
		return &Message{Reply: o.ended(j), Inline: j.Output, chunk: -1, last: true}
	}
	if j.Phase != jobtable.Ended && (!s.sentAny || s.sent < j.Phase) {
		s.sentAny, s.sent = true, j.Phase
		return &Message{Reply: progress(j), chunk: -1}
	}
	for s.next < len(j.Output) && s.outputRefused == "" {
		i := s.next
		s.next++
		if o.has(j.Output[i]) {
			s.unconfirmed++
			return &Message{Output: j.Output[i], chunk: i}
		}
	}
	if j.Phase == jobtable.Ended && s.unconfirmed == 0 {
		s.ending = true
		return &Message{Reply: o.endedWithoutOutput(s), chunk: -1, last: true}
	}
	return nil
}

// fitsInline reports whether the whole output fits into the ended reply.
func (o *Outbox) fitsInline(j *jobtable.Job) bool {
	for _, s := range []*wire.Stream{j.Result.Stdout, j.Result.Stderr} {
		if s != nil && (s.Dropped > 0 || s.Gone) {
			return false
		}
	}
	return j.OutputSize() <= wire.MaxInline && o.hasAll(j, "")
}

// hasAll reports whether all that was kept of a stream, or of both, still is.
func (o *Outbox) hasAll(j *jobtable.Job, stream string) bool {
	for _, r := range j.Output {
		if (stream == "" || stream == r.Stream) && !o.has(r) {
			return false
		}
	}
	return true
}

// ended is the reply, without output.
func (o *Outbox) ended(j *jobtable.Job) *wire.Ended {
	e := j.Result
	e.Agent = j.Agent
	for name, s := range map[string]**wire.Stream{wire.Stdout: &e.Stdout, wire.Stderr: &e.Stderr} {
		if *s != nil {
			account := **s
			account.Gone = account.Gone || !o.hasAll(j, name)
			*s = &account
		}
	}
	return &e
}

// endedWithoutOutput is the reply where the output was sent before, or is refused.
func (o *Outbox) endedWithoutOutput(s *stream) *wire.Ended {
	e := o.ended(s.of.job)
	if s.outputRefused == "" {
		return e
	}
	for _, stream := range []*wire.Stream{e.Stdout, e.Stderr} {
		if stream != nil && stream.Size > 0 {
			stream.Gone = true
		}
	}
	if e.Reason != "" {
		e.Reason += "; "
	}
	e.Reason += "the broker refused the output: " + s.outputRefused
	return e
}

func progress(j *jobtable.Job) any {
	if j.Phase == jobtable.Running {
		return &wire.Started{Job: j.ID, Agent: j.Agent, At: j.StartedAt.UnixMilli()}
	}
	return &wire.Accepted{Job: j.ID, Agent: j.Agent, At: j.AcceptedAt.UnixMilli()}
}

// Confirm takes the broker's answer to a publication. A returned reply means that the
// operator's process is gone: the result stays until somebody asks. What the broker has
// refused would be refused again. All else is sent again. It returns the job whose
// result has been delivered.
func (o *Outbox) Confirm(v broker.Verdict, now time.Time) (delivered *jobtable.Job) {
	m, ok := o.inFlight[v.Ref]
	if !ok {
		return nil
	}
	delete(o.inFlight, v.Ref)
	s := m.stream
	if s == nil {
		if v.Kind == broker.Nacked || v.Kind == broker.Unconfirmed {
			o.SendOnce(OneShot{m.To, m.Correlation, m.Reply})
		}
		return nil
	}
	if m.chunk >= 0 {
		s.unconfirmed--
	}
	switch {
	case s.dropped:
		return nil
	case v.Kind == broker.Returned:
		o.drop(s)
		return nil
	case v.Kind == broker.Routed && m.last:
		o.drop(s)
		return s.of.job
	case v.Kind == broker.Routed:
	case v.Kind == broker.Refused:
		o.refused(m, v.Reason)
	case m.last:
		s.ending = false
	case m.chunk >= 0:
		s.next = min(s.next, m.chunk)
	}
	if v.Kind == broker.Nacked && !s.postponed {
		s.postponed = true
		o.postponed, o.retryAt = append(o.postponed, s), now.Add(retryDelay)
	}
	o.schedule(s)
	return nil
}

// refused takes the broker's refusal of a reply. Output is left out; if the outcome is
// refused without it, the stream ends. The job keeps its result.
func (o *Outbox) refused(m *Message, reason string) {
	s := m.stream
	output := m.chunk >= 0 || m.last && s.outputRefused == "" && s.next == 0
	switch {
	case output:
		s.outputRefused, s.ending = cmp.Or(reason, "no reason given"), false
	case m.last:
		o.drop(s)
	}
}

// WakeAt is when tick has something to do; zero for never.
func (o *Outbox) WakeAt() (at time.Time) {
	if len(o.postponed) > 0 {
		at = o.retryAt
	}
	o.quiet = slices.DeleteFunc(o.quiet, func(r *jobStreams) bool { return r.job.Phase == jobtable.Ended })
	for _, r := range o.quiet {
		if at.IsZero() || r.quietUntil.Before(at) {
			at = r.quietUntil
		}
	}
	return at
}

// Tick schedules the jobs whose quiet period is over, and what was postponed.
func (o *Outbox) Tick(now time.Time) {
	var over []*jobStreams
	o.quiet = slices.DeleteFunc(o.quiet, func(r *jobStreams) bool {
		if now.Before(r.quietUntil) {
			return false
		}
		over = append(over, r)
		return true
	})
	for _, r := range over {
		o.JobChanged(r.job)
	}
	if len(o.postponed) > 0 && !now.Before(o.retryAt) {
		for _, s := range o.postponed {
			s.postponed = false
			o.schedule(s)
		}
		o.postponed = nil
	}
}
