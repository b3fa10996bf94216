package executor

import (
	"cmp"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/executor/outputlog"
	"warren/internal/broker"
	"warren/internal/wire"
)

const (
	// quiet is how long a job may wait, and then how long its command may run once its
	// process is known (process.Run), before its operator hears anything but its end:
	// a quick command costs one reply.
	quiet = 50 * time.Millisecond

	// launch is how long a job that was begun may take until its process is known,
	// or has ended: on a machine with much else to do the news would only add to that.
	// An operator is patient for longer before he asks again.
	launch = 1500 * time.Millisecond

	// window is how many publications of one agent may be unconfirmed: enough
	// to stream output over a slow link (64 × 32 KiB), little enough to hold.
	window = 64

	// retryAfter is the pause after the broker has refused a reply because the
	// callback queue is full.
	retryAfter = 500 * time.Millisecond

	// maxNotes bounds the answers that no job keeps; above it the oldest is
	// dropped, since whoever asked asks again.
	maxNotes = 1024

	// maxMails bounds how many reply queues are told of one job.
	maxMails = 4
)

// A mailing tells one reply queue about one job: that it was accepted or has
// started, its output in order, and, when all of that is confirmed, its end.
type mailing struct {
	job *job
	to  string

	queued      bool  // in outbox.ready
	told        phase // what the operator has been told: waiting is accepted
	toldAny     bool
	next        int  // first chunk of job.kept that is not sent
	unconfirmed int  // chunks in flight
	ending      bool // ended is in flight
	held        bool // in outbox.later
	dropped     bool // nobody is told any more

	// outputRefused is why the broker does not take the output, in its words. The
	// outcome is sent without it.
	outputRefused string
}

// A note is an answer that stands by itself: state, checked, hello, and the
// refusal of a request that the journal does not know.
type note struct {
	to, correlation string
	reply           any
}

// outbox decides what is published next. Pure state, owned by the agent loop.
type outbox struct {
	agent  string         // id
	kept   *outputlog.Log // what chunks are read from
	notes  []note
	ready  []*mailing // that have something to send, in turn
	flight map[uint64]letter
	seq    uint64
	head   *letter    // built, waiting for the publisher
	later  []*mailing // refused by the broker, held until again
	again  time.Time
}

// A letter is one publication and what it is about.
type letter struct {
	pub   *broker.Publication
	mail  *mailing // nil for a note
	chunk int      // index in job.kept; -1 for the other types
	last  bool     // it is ended
	note  note
}

func newOutbox(agent string, kept *outputlog.Log) *outbox {
	return &outbox{agent: agent, kept: kept, flight: map[uint64]letter{}}
}

// tell sees to it that the reply queue to hears of j from its start; a queue
// that is being told already is only woken.
func (o *outbox) tell(j *job, to string) {
	for _, m := range j.mails {
		if m.to == to {
			o.wake(m)
			return
		}
	}
	if len(j.mails) == maxMails {
		o.drop(j.mails[0])
	}
	m := &mailing{job: j, to: to}
	j.mails = append(j.mails, m)
	o.wake(m)
}

// restart tells to everything again, output included.
func (o *outbox) restart(j *job, to string) {
	for _, m := range j.mails {
		if m.to == to {
			o.drop(m)
			break
		}
	}
	o.tell(j, to)
}

// changed wakes all who are told of j.
func (o *outbox) changed(j *job) {
	for _, m := range j.mails {
		o.wake(m)
	}
}

func (o *outbox) wake(m *mailing) {
	if !m.queued {
		m.queued = true
		o.ready = append(o.ready, m)
	}
}

// drop ends a mailing; the job keeps its result.
func (o *outbox) drop(m *mailing) {
	for i, x := range m.job.mails {
		if x == m {
			m.job.mails = append(m.job.mails[:i:i], m.job.mails[i+1:]...)
			break
		}
	}
	m.dropped = true
}

func (o *outbox) note(n note) {
	if len(o.notes) == maxNotes {
		o.notes = o.notes[1:]
	}
	o.notes = append(o.notes, n)
}

// idle reports whether everything has been delivered.
func (o *outbox) idle() bool {
	return o.head == nil && len(o.notes) == 0 && len(o.ready) == 0 && len(o.later) == 0 && len(o.flight) == 0
}

// pending gives the next publication; nil where there is none, or where the window
// is full.
func (o *outbox) pending(now time.Time, answer chan<- broker.Verdict) *broker.Publication {
	if o.head == nil && len(o.flight) < window {
		o.head = o.build(now)
		if o.head != nil {
			o.seq++
			o.head.pub.Ref, o.head.pub.Answer = o.seq, answer
		}
	}
	if o.head == nil {
		return nil
	}
	return o.head.pub
}

// sent says that the publisher has taken what pending gave.
func (o *outbox) sent() {
	o.flight[o.seq] = *o.head
	o.head = nil
}

func (o *outbox) build(now time.Time) *letter {
	if len(o.notes) > 0 {
		n := o.notes[0]
		o.notes = o.notes[1:]
		return &letter{pub: o.publication(n.to, n.correlation, n.reply), chunk: -1, note: n}
	}
	for len(o.ready) > 0 {
		m := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		m.queued = false
		if l := o.mail(m, now); l != nil {
			o.wake(m) // at the back: jobs take turns
			return l
		}
	}
	return nil
}

// mail is the next letter of one mailing, or nil where it has to wait: for the
// end of the quiet time, or until the journal has what it is about to say.
func (o *outbox) mail(m *mailing, now time.Time) *letter {
	j := m.job
	if m.dropped || m.held || m.ending || j.saving > 0 || j.urgent || (j.phase != ended && now.Before(j.quietUntil)) {
		return nil
	}
	if j.phase == ended && m.next == 0 && m.outputRefused == "" && o.inline(j) {
		m.ending = true
		return &letter{pub: o.reply(m, o.ended(j, true)), mail: m, chunk: -1, last: true}
	}
	if j.phase != ended && (!m.toldAny || m.told < j.phase) {
		m.toldAny, m.told = true, j.phase
		return &letter{pub: o.reply(m, o.progress(j)), mail: m, chunk: -1}
	}
	for m.next < len(j.kept) && m.outputRefused == "" {
		i := m.next
		m.next++
		if pub, ok := o.chunk(m, j.kept[i]); ok {
			m.unconfirmed++
			return &letter{pub: pub, mail: m, chunk: i}
		}
	}
	if j.phase == ended && m.unconfirmed == 0 {
		m.ending = true
		return &letter{pub: o.reply(m, o.endedWithoutOutput(m)), mail: m, chunk: -1, last: true}
	}
	return nil
}

// inline reports whether the whole output fits into the ended reply.
func (o *outbox) inline(j *job) bool {
	for _, s := range []*wire.Stream{j.result.Stdout, j.result.Stderr} {
		if s != nil && (s.Dropped > 0 || s.Gone) {
			return false
		}
	}
	return j.keptBytes() <= wire.MaxInline && o.all(j, "")
}

// all reports whether all that was kept of a stream, or of both, still is.
func (o *outbox) all(j *job, stream string) bool {
	for _, r := range j.kept {
		if (stream == "" || stream == r.Stream) && !o.kept.Has(r) {
			return false
		}
	}
	return true
}

// ended is the reply; withOutput puts the output into it.
func (o *outbox) ended(j *job, withOutput bool) *wire.Ended {
	e := j.result
	e.Agent = j.agent
	e.Stdout = o.account(j, e.Stdout, wire.Stdout, withOutput)
	e.Stderr = o.account(j, e.Stderr, wire.Stderr, withOutput)
	return &e
}

// endedWithoutOutput is the reply where the output was sent before, or is refused.
func (o *outbox) endedWithoutOutput(m *mailing) *wire.Ended {
	e := o.ended(m.job, false)
	if m.outputRefused == "" {
		return e
	}
	for _, s := range []*wire.Stream{e.Stdout, e.Stderr} {
		if s != nil && s.Size > 0 {
			s.Gone = true
		}
	}
	reason := "the broker refused the output: " + m.outputRefused
	if e.Reason != "" {
		reason = e.Reason + "; " + reason
	}
	e.Reason = reason
	return e
}

func (o *outbox) account(j *job, s *wire.Stream, name string, withOutput bool) *wire.Stream {
	if s == nil {
		return nil
	}
	full := *s
	full.Gone = s.Gone || !o.all(j, name)
	for _, r := range j.kept {
		if withOutput && r.Stream == name {
			data, err := o.kept.Get(r)
			if err != nil {
				full.Gone, full.Data = true, nil
				break
			}
			full.Data = append(full.Data, data...)
		}
	}
	return &full
}

func (o *outbox) progress(j *job) any {
	if j.phase == running {
		return &wire.Started{Job: j.id, Agent: j.agent, At: j.startedAt.UnixMilli()}
	}
	return &wire.Accepted{Job: j.id, Agent: j.agent, At: j.acceptedAt.UnixMilli()}
}

// verdict takes the broker's word on a publication. A returned reply means that
// the operator's process is gone: the result stays until somebody asks. What the broker
// has refused would be refused again. All else is sent again. It returns the job whose result has been delivered.
func (o *outbox) verdict(v broker.Verdict, now time.Time) (told *job) {
	l, ok := o.flight[v.Ref]
	if !ok {
		return nil
	}
	delete(o.flight, v.Ref)
	if l.mail == nil {
		if v.Kind == broker.Nacked || v.Kind == broker.Unconfirmed {
			o.note(l.note)
		}
		return nil
	}
	m := l.mail
	if l.chunk >= 0 {
		m.unconfirmed--
	}
	switch {
	case m.dropped:
		return nil
	case v.Kind == broker.Returned:
		o.drop(m)
		return nil
	case v.Kind == broker.Routed && l.last:
		o.drop(m)
		return m.job
	case v.Kind == broker.Routed:
	case v.Kind == broker.Refused:
		o.refused(l, v.Reason)
	case l.last:
		m.ending = false
	case l.chunk >= 0:
		m.next = min(m.next, l.chunk)
	}
	if v.Kind == broker.Nacked && !m.held {
		m.held = true
		o.later, o.again = append(o.later, m), now.Add(retryAfter)
	}
	o.wake(m)
	return nil
}

// refused takes the broker's refusal of a reply: output is left out, and of an outcome
// that is refused without it nothing can be said. The job keeps its result.
func (o *outbox) refused(l letter, reason string) {
	m := l.mail
	output := l.chunk >= 0 || l.last && m.outputRefused == "" && m.next == 0
	switch {
	case output:
		m.outputRefused, m.ending = cmp.Or(reason, "no reason given"), false
	case l.last:
		o.drop(m)
	}
}

// retry takes up what was postponed.
func (o *outbox) retry() {
	for _, m := range o.later {
		m.held = false
		o.wake(m)
	}
	o.later = nil
}

func (o *outbox) reply(m *mailing, v any) *broker.Publication {
	return o.publication(m.to, m.job.id, v)
}

func (o *outbox) publication(to, correlation string, v any) *broker.Publication {
	typ, body, err := wire.EncodeReply(stamp(v, o.agent))
	if err != nil {
		panic(err) // our own reply breaks our own format
	}
	return &broker.Publication{
		Exchange: wire.ExchangeReplies, Key: to, Mandatory: true, Vouched: true,
		Msg: amqp.Publishing{Type: typ, CorrelationId: correlation, ContentType: wire.ContentJSON, AppId: wire.AppID, Body: body},
	}
}

// chunk is the publication of one piece of output; there is none where it is gone.
func (o *outbox) chunk(m *mailing, r outputlog.Ref) (*broker.Publication, bool) {
	data, err := o.kept.Get(r)
	if err != nil {
		return nil, false
	}
	return &broker.Publication{
		Exchange: wire.ExchangeReplies, Key: m.to, Mandatory: true, Vouched: true,
		Msg: amqp.Publishing{
			Type: wire.TypeOutput, CorrelationId: m.job.id, ContentType: wire.ContentBytes, AppId: wire.AppID,
			Headers: amqp.Table{wire.HeaderStream: r.Stream, wire.HeaderOffset: r.Offset}, Body: data,
		},
	}, true
}

// stamp puts version and agent id on a reply. One about a job may bear the id
// under which it was accepted: its operator listens to no other.
func stamp(v any, agent string) any {
	switch r := v.(type) {
	case *wire.Accepted:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Started:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Ended:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.State:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Checked:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	case *wire.Hello:
		r.V, r.Agent = wire.Version, cmp.Or(r.Agent, agent)
	}
	return v
}
