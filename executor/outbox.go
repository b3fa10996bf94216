package executor

import (
	"cmp"
	"slices"
	"time"

	"warren/executor/outputlog"
	"warren/internal/broker"
	"warren/internal/wire"
)

const (
	// quietPeriod is how long a job may wait, and then how long its command may run once
	// its process is known (process.Run), before its operator hears anything but its end:
	// a quick command costs one reply.
	quietPeriod = 50 * time.Millisecond

	// startAllowance is how long a job that was begun may take until its process is known,
	// or has ended: on a busy machine, news would only add to the load. Operators wait
	// longer than that before they ask again.
	startAllowance = 1500 * time.Millisecond

	// window is how many publications of one agent may be unconfirmed: enough
	// to stream output over a slow link (64 × 32 KiB), little enough to hold.
	window = 64

	// retryDelay is the pause after the broker has refused a reply because the
	// callback queue is full.
	retryDelay = 500 * time.Millisecond

	// maxOneShots bounds the replies that no job keeps. Above it the oldest is dropped:
	// its operator asks again.
	maxOneShots = 1024

	// maxStreams bounds the reply queues that follow one job.
	maxStreams = 4
)

// A replyStream sends one reply queue the news of one job: that it was accepted or has
// started, its output in order, and, when all of that is confirmed, its end.
type replyStream struct {
	of *jobReplies
	to string

	queued      bool  // in outbox.ready
	sent        phase // the last progress sent: waiting is accepted
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

// jobReplies has the streams of one job.
type jobReplies struct {
	job        *job
	streams    []*replyStream
	quietUntil time.Time // before that, only the end is sent
}

// A oneShotReply is a reply that stands by itself: state, checked, hello, and the
// refusal of a request that the journal does not know.
type oneShotReply struct {
	to, correlation string
	reply           any
}

// A outMessage is one publication: a reply, or a chunk of output.
type outMessage struct {
	ref             uint64 // in the broker's verdict
	to, correlation string
	reply           any             // nil: it is output
	inline          []outputlog.Ref // of an ended: output to put into it
	output          outputlog.Ref

	stream *replyStream // nil for a oneShotReply
	chunk  int          // index in job.kept; -1 for the other types
	last   bool         // it is ended
}

// outbox decides what is published next. It is pure state: it knows where output is
// kept, and leaves reading it to whoever builds the publication.
type outbox struct {
	has       func(outputlog.Ref) bool // output is still kept
	jobs      map[*job]*jobReplies
	quiet     []*jobReplies // in their quiet period
	oneShots  []oneShotReply
	ready     []*replyStream // that have something to send, in turn
	inFlight  map[uint64]*outMessage
	ref       uint64
	head      *outMessage    // waiting for the publisher
	postponed []*replyStream // refused by the broker until retryAt
	retryAt   time.Time
}

func newOutbox(has func(outputlog.Ref) bool) *outbox {
	return &outbox{has: has, jobs: map[*job]*jobReplies{}, inFlight: map[uint64]*outMessage{}}
}

func (o *outbox) of(j *job) *jobReplies {
	r := o.jobs[j]
	if r == nil {
		r = &jobReplies{job: j}
		o.jobs[j] = r
	}
	return r
}

// accepted begins the quiet period of a new job.
func (o *outbox) accepted(j *job, now time.Time) {
	r := o.of(j)
	r.quietUntil = now.Add(quietPeriod)
	o.quiet = append(o.quiet, r)
}

// extendQuietPeriod moves the end of the quiet period, unless it is over.
func (o *outbox) extendQuietPeriod(j *job, now time.Time, d time.Duration) {
	if r := o.jobs[j]; r != nil && now.Before(r.quietUntil) {
		r.quietUntil = now.Add(d)
	}
}

// subscribe sends a reply queue all news of j from its start. A queue that follows j
// already stays where it is.
func (o *outbox) subscribe(j *job, to string) {
	r := o.of(j)
	for _, s := range r.streams {
		if s.to == to {
			o.schedule(s)
			return
		}
	}
	if len(r.streams) == maxStreams {
		o.drop(r.streams[0])
	}
	s := &replyStream{of: r, to: to}
	r.streams = append(r.streams, s)
	o.schedule(s)
}

// resend sends everything again, output included.
func (o *outbox) resend(j *job, to string) {
	for _, s := range o.of(j).streams {
		if s.to == to {
			o.drop(s)
			break
		}
	}
	o.subscribe(j, to)
}

// changed schedules all streams of j.
func (o *outbox) changed(j *job) {
	r := o.jobs[j]
	if r == nil {
		return
	}
	for _, s := range r.streams {
		o.schedule(s)
	}
	o.tidy(r)
}

func (o *outbox) schedule(s *replyStream) {
	if !s.queued {
		s.queued = true
		o.ready = append(o.ready, s)
	}
}

// drop ends a stream; the job keeps its result.
func (o *outbox) drop(s *replyStream) {
	s.dropped = true
	r := s.of
	r.streams = slices.DeleteFunc(slices.Clone(r.streams), func(x *replyStream) bool { return x == s })
	o.tidy(r)
}

// tidy forgets a job of which there is nothing to remember.
func (o *outbox) tidy(r *jobReplies) {
	if len(r.streams) == 0 && (r.job.phase == ended || !slices.Contains(o.quiet, r)) {
		delete(o.jobs, r.job)
	}
}

// sendOnce sends a reply that no job keeps.
func (o *outbox) sendOnce(r oneShotReply) {
	if len(o.oneShots) == maxOneShots {
		o.oneShots = o.oneShots[1:]
	}
	o.oneShots = append(o.oneShots, r)
}

// idle reports whether everything has been delivered.
func (o *outbox) idle() bool {
	return o.head == nil && len(o.oneShots) == 0 && len(o.ready) == 0 && len(o.postponed) == 0 && len(o.inFlight) == 0
}

// nextMessage is what to publish next, the same until sent or skip; nil where there is
// nothing, or where the window is full.
func (o *outbox) nextMessage(now time.Time) *outMessage {
	if o.head == nil && len(o.inFlight) < window {
		if o.head = o.choose(now); o.head != nil {
			o.ref++
			o.head.ref = o.ref
		}
	}
	return o.head
}

// sent says that the publisher has taken the message.
func (o *outbox) sent() {
	o.inFlight[o.head.ref] = o.head
	o.head = nil
}

// skip leaves out the message, a chunk of output that cannot be read.
func (o *outbox) skip() {
	o.head.stream.unconfirmed--
	o.head = nil
}

func (o *outbox) choose(now time.Time) *outMessage {
	if len(o.oneShots) > 0 {
		r := o.oneShots[0]
		o.oneShots = o.oneShots[1:]
		return &outMessage{to: r.to, correlation: r.correlation, reply: r.reply, chunk: -1}
	}
	for len(o.ready) > 0 {
		s := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		s.queued = false
		if m := o.following(s, now); m != nil {
			m.to, m.correlation, m.stream = s.to, s.of.job.id, s
			o.schedule(s) // at the back: jobs take turns
			return m
		}
	}
	return nil
}

// following is the next message of one stream, or nil where it has to wait: for the
// end of the quiet period, or until the journal has what it is about to say.
func (o *outbox) following(s *replyStream, now time.Time) *outMessage {
	j := s.of.job
	if s.dropped || s.postponed || s.ending || !j.durable() || (j.phase != ended && now.Before(s.of.quietUntil)) {
		return nil
	}
	if j.phase == ended && s.next == 0 && s.outputRefused == "" && o.fitsInline(j) {
		s.ending = true
		return &outMessage{reply: o.ended(j), inline: j.kept, chunk: -1, last: true}
	}
	if j.phase != ended && (!s.sentAny || s.sent < j.phase) {
		s.sentAny, s.sent = true, j.phase
		return &outMessage{reply: progress(j), chunk: -1}
	}
	for s.next < len(j.kept) && s.outputRefused == "" {
		i := s.next
		s.next++
		if o.has(j.kept[i]) {
			s.unconfirmed++
			return &outMessage{output: j.kept[i], chunk: i}
		}
	}
	if j.phase == ended && s.unconfirmed == 0 {
		s.ending = true
		return &outMessage{reply: o.endedWithoutOutput(s), chunk: -1, last: true}
	}
	return nil
}

// fitsInline reports whether the whole output fits into the ended reply.
func (o *outbox) fitsInline(j *job) bool {
	for _, s := range []*wire.Stream{j.result.Stdout, j.result.Stderr} {
		if s != nil && (s.Dropped > 0 || s.Gone) {
			return false
		}
	}
	return j.keptBytes() <= wire.MaxInline && o.hasAll(j, "")
}

// hasAll reports whether all that was kept of a stream, or of both, still is.
func (o *outbox) hasAll(j *job, stream string) bool {
	for _, r := range j.kept {
		if (stream == "" || stream == r.Stream) && !o.has(r) {
			return false
		}
	}
	return true
}

// ended is the reply, without output.
func (o *outbox) ended(j *job) *wire.Ended {
	e := j.result
	e.Agent = j.agent
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
func (o *outbox) endedWithoutOutput(s *replyStream) *wire.Ended {
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

func progress(j *job) any {
	if j.phase == running {
		return &wire.Started{Job: j.id, Agent: j.agent, At: j.startedAt.UnixMilli()}
	}
	return &wire.Accepted{Job: j.id, Agent: j.agent, At: j.acceptedAt.UnixMilli()}
}

// verdict takes the broker's answer to a publication. A returned reply means that the
// operator's process is gone: the result stays until somebody asks. What the broker has
// refused would be refused again. All else is sent again. It returns the job whose
// result has been delivered.
func (o *outbox) verdict(v broker.Verdict, now time.Time) (delivered *job) {
	m, ok := o.inFlight[v.Ref]
	if !ok {
		return nil
	}
	delete(o.inFlight, v.Ref)
	s := m.stream
	if s == nil {
		if v.Kind == broker.Nacked || v.Kind == broker.Unconfirmed {
			o.sendOnce(oneShotReply{m.to, m.correlation, m.reply})
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
func (o *outbox) refused(m *outMessage, reason string) {
	s := m.stream
	output := m.chunk >= 0 || m.last && s.outputRefused == "" && s.next == 0
	switch {
	case output:
		s.outputRefused, s.ending = cmp.Or(reason, "no reason given"), false
	case m.last:
		o.drop(s)
	}
}

// wakeAt is when tick has something to do; zero for never.
func (o *outbox) wakeAt() (at time.Time) {
	if len(o.postponed) > 0 {
		at = o.retryAt
	}
	o.quiet = slices.DeleteFunc(o.quiet, func(r *jobReplies) bool { return r.job.phase == ended })
	for _, r := range o.quiet {
		if at.IsZero() || r.quietUntil.Before(at) {
			at = r.quietUntil
		}
	}
	return at
}

// tick schedules the jobs whose quiet period is over, and what was postponed.
func (o *outbox) tick(now time.Time) {
	var over []*jobReplies
	o.quiet = slices.DeleteFunc(o.quiet, func(r *jobReplies) bool {
		if now.Before(r.quietUntil) {
			return false
		}
		over = append(over, r)
		return true
	})
	for _, r := range over {
		o.changed(r.job)
	}
	if len(o.postponed) > 0 && !now.Before(o.retryAt) {
		for _, s := range o.postponed {
			s.postponed = false
			o.schedule(s)
		}
		o.postponed = nil
	}
}
