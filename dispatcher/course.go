package dispatcher

import (
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// firstRepeat is the pause before a request that was routed, but that
	// nobody has answered, is sent again. An agent says within 50 ms that it has
	// a job, so 2 s of silence mean a dead agent whose connection the broker
	// still believes in, or a lost message. The pause doubles up to maxRepeat.
	firstRepeat = 2 * time.Second
	maxRepeat   = 15 * time.Second

	// silence is how long an agent that has accepted a job may say nothing
	// before it is asked by status. It doubles with each question up to
	// maxSilence: an agent speaks by itself when something happens, also after
	// its own restart, so that the question is for what got lost on the way.
	silence    = 30 * time.Second
	maxSilence = 5 * time.Minute

	// silenceLimit is how long the agent of a running job without a timeout may
	// leave all questions unanswered before the job is called lost. A timeout
	// bounds the wait by itself; without one an agent that is gone for good would
	// keep its operator for ever. It is about six questions, and longer than a
	// machine takes to reboot.
	silenceLimit = 15 * time.Minute

	// returning is how long after the operator's own reconnection a request
	// that comes back unrouted is repeated: agents are still coming back too.
	returning      = time.Minute
	returningPause = time.Second

	// nackPause is the pause after the broker has not accepted a request: the host's
	// queue is full, or its node is down and the agent is on its way to another.
	nackPause = 500 * time.Millisecond

	// lastWord is how long after its last possible end a job is asked for
	// before it is called lost.
	lastWord = 15 * time.Second

	// sayNothing is how long a sent job may be before the store hears of it: a
	// quick answer makes the news of the sending superfluous.
	sayNothing = firstRepeat
)

// A step is what a host goroutine does next.
type step struct {
	send   string        // a request type to publish, or
	inbox  bool          //   into the host's inbox, not its queue
	end    wire.Outcome  // the operator's own verdict, or
	reason string        //   why
	sent   bool          // tell the store that the job is sent, or
	wait   time.Duration // decide again then at the latest
	done   bool          // the agent has had the last word
}

// course is the state of one job as its operator sees it: pure, owned by its
// host goroutine. Times are the operator's clock.
type course struct {
	notAfter time.Time     // until when the agent may begin it
	timeout  time.Duration // how long after its agent's last word it may still end

	state       model.State
	inFlight    string    // type of the publication that awaits its verdict; "" none
	maybe       bool      // some attempt may have reached the agent
	nacked      bool      // the broker has not accepted some attempt; an agent may have it all the same
	next        time.Time // the earliest next publication
	hold        time.Time // nothing but a cancel is published before
	pause       time.Duration
	arrivals    int           // publications that may have reached the agent
	inboxes     bool          // one of them by its inbox
	answers     int           // of the agent, as the store counts them
	heard       time.Time     // last sign of the agent
	silence     time.Duration // how long it may be silent now
	asked       time.Time     // when a resumed job was first asked for
	firstSent   time.Time
	told        bool      // the store knows that it is sent
	deadline    time.Time // its last possible end, once the agent has accepted
	cancel      bool
	whenOnline  bool   // what no queue takes may wait in the host's inbox
	inbox       bool   // the next publication goes there
	inInbox     bool   // a run waits there
	recalling   bool   // so does its cancel
	resumed     bool   // sent by another process, whose request is not at hand
	secret      bool   // resumed, and the other process had secrets to send with it
	mute        bool   // the last statement could not be signed
	refusal     string // why the broker does not take the job's requests, in its words; empty: it does
	unreachable bool   // the broker knows nobody of that name
	forgotten   bool   // the agent cannot tell
	since       int64  // from when on it can
	why         string // why it cannot, where it says so
	done        bool
	reconnected time.Time // of the operator's own link; zero for its first connection
}

// patience is how long after an agent's word that it has a job the operator waits
// for the next: until the job must have ended, or, without a timeout, until the
// agent must have answered a question.
func patience(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return silenceLimit
	}
	return timeout + killGrace
}

func newCourse(notAfter time.Time, timeout time.Duration) course {
	return course{notAfter: notAfter, timeout: timeout, state: model.Pending, pause: firstRepeat, silence: silence}
}

// resumedCourse is that of a job which another process has sent, or has meant
// to. It may have arrived, and only a status tells.
func resumedCourse(j *model.Job, notAfter, now time.Time, timeout time.Duration) course {
	c := newCourse(notAfter, timeout)
	c.resumed, c.maybe, c.told, c.state, c.firstSent = true, true, true, j.State, now
	c.asked = now
	if j.State == model.Accepted || j.State == model.Running {
		c.deadline = now.Add(timeout)
	}
	return c
}

// decide says what to do at now.
func (c *course) decide(now time.Time) step {
	switch {
	case c.done:
		return step{done: true}
	case c.unreachable && c.whenOnline:
		return step{end: wire.Unreachable, reason: "no agent answers to this name, and it has no inbox"}
	case c.unreachable:
		return step{end: wire.Unreachable, reason: "no agent answers to this name"}
	case c.refusal != "" && !c.maybe && !c.nacked && c.inFlight == "":
		return step{end: wire.Unreachable, reason: "the broker refused it: " + c.refusal}
	case c.forgotten && c.arrivals == 1 && !c.inboxes && !c.resumed:
		return step{end: wire.Rejected, reason: c.tooNew()}
	case c.forgotten:
		return step{end: wire.Lost, reason: c.mayHaveRun()}
	case c.inFlight != "":
		return step{wait: time.Hour}
	case c.cancel && !c.maybe && c.firstSent.IsZero():
		return step{end: wire.Canceled, reason: canceledUnsent}
	case c.firstSent.IsZero() && !now.Before(c.notAfter):
		return step{end: wire.Unreachable, reason: c.unsentReason()}
	case c.overdue(now):
		return step{end: wire.Lost, reason: c.lostReason()}
	case !c.told && c.maybe && c.state == model.Sent && !now.Before(c.firstSent.Add(sayNothing)):
		return step{sent: true}
	case now.Before(c.next):
		return step{wait: c.sleep(now)}
	}
	return step{send: c.request(now), inbox: c.inbox, wait: c.lastChance().Sub(now)}
}

// request is the type of the next publication.
func (c *course) request(now time.Time) string {
	switch {
	case c.cancel:
		return wire.TypeCancel
	case c.resumed, c.refusal != "", c.state == model.Accepted, c.state == model.Running, now.After(c.notAfter):
		return wire.TypeStatus
	}
	return wire.TypeRun
}

func (c *course) sleep(now time.Time) time.Duration {
	until := c.next
	if !c.told && c.maybe && c.state == model.Sent && c.firstSent.Add(sayNothing).Before(until) {
		until = c.firstSent.Add(sayNothing)
	}
	if end := c.lastChance(); end.Before(until) {
		until = end
	}
	return until.Sub(now)
}

// lastChance is when decide gives a verdict whatever happens.
func (c *course) lastChance() time.Time {
	if c.firstSent.IsZero() {
		return c.notAfter
	}
	return c.giveUp()
}

// end is when the job should have ended, whatever becomes of it.
func (c *course) end() time.Time { return latest(c.notAfter, c.deadline) }

// giveUp is when silence becomes lost: after its end, and after it has been
// asked for.
func (c *course) giveUp() time.Time {
	end := latest(c.end(), c.asked)
	if !c.heard.IsZero() {
		end = latest(end, c.heard.Add(c.silence))
	}
	return end.Add(lastWord)
}

func (c *course) overdue(now time.Time) bool { return !now.Before(c.giveUp()) }

func (c *course) unsentReason() string {
	if c.mute {
		return "it could not be signed in time: it was never sent"
	}
	return "the broker was not there in time: it was never sent"
}

func (c *course) lostReason() string {
	switch {
	case c.secret && c.state != model.Accepted && c.state != model.Running:
		return "the process that had its secrets has ended, so it is not sent again, and nobody has answered"
	case c.refusal != "":
		return "it may have arrived, nobody has answered, and then the broker refused it: " + c.refusal
	case c.mute:
		return "it was sent, nobody has answered, and a question for it could not be signed"
	case c.recalling:
		return "its recall waits in the host's inbox, and the host has not come back"
	case c.inInbox:
		return "it waits in the host's inbox, and the host has not come back in time"
	case c.state == model.Accepted || c.state == model.Running:
		return "the agent had " + string(c.state) + " it and then fell silent"
	case c.nacked && !c.maybe:
		return "the broker has not accepted it: the host's queue is full, or on a broker node that is down"
	}
	return "it was sent, and nobody has answered"
}

// tooNew is why a job was refused whose only request was answered by an agent
// that cannot tell whether it has run: it has not, since nothing has arrived
// before.
func (c *course) tooNew() string {
	from := func() string { return time.UnixMilli(c.since).Local().Format(time.TimeOnly) + " on" }
	switch {
	case c.why != "" && c.since != 0:
		return c.why + ": it takes what is issued from " + from()
	case c.since == 0:
		return "the agent takes this for a job of the past, which it may have forgotten: is its clock right?"
	}
	return "the agent's journal is new: it takes jobs that are issued from " + from()
}

// mayHaveRun is why a job is lost of which several requests may have arrived, at this
// agent or at another that had the name before.
func (c *course) mayHaveRun() string {
	if c.why != "" {
		return c.why + ", and another host may have run it"
	}
	return "the agent's memory begins after this job was issued: it may have run"
}

// published says that a request of that type has been given to the broker.
func (c *course) published(typ string, now time.Time) {
	c.inFlight, c.mute = typ, false
	c.arrivals++
	c.inboxes = c.inboxes || c.inbox
	if typ == wire.TypeStatus {
		c.silence = min(2*c.silence, maxSilence)
	}
	if c.state == model.Pending {
		c.state = model.Sent
	}
	if c.firstSent.IsZero() {
		c.firstSent = now
	}
}

// unsigned says that the request to be sent cannot be signed now. It is tried
// again; who signs keeps the pace.
func (c *course) unsigned(now time.Time) { c.mute, c.next = true, now.Add(signPause) }

// refused says that the broker has refused the publication in flight: no queue has it,
// and it is never sent again. Where an earlier one may have arrived its agent is asked,
// as rarely as one that is silent for long.
func (c *course) refused(words string, now time.Time) {
	typ := c.inFlight
	c.inFlight, c.inbox, c.refusal = "", false, words
	c.arrivals--
	c.next = now
	if typ != wire.TypeRun {
		c.next = now.Add(maxSilence)
	}
}

// verdict takes the broker's word on the publication in flight.
func (c *course) verdict(k broker.Kind, now time.Time) {
	inbox := c.inbox
	typ := c.inFlight
	c.inFlight, c.inbox = "", false
	switch k {
	case broker.Routed:
		c.maybe = true
		if inbox {
			c.waits(typ, now)
			return
		}
		c.repeatIn(c.pause, now)
		c.pause = min(2*c.pause, maxRepeat)
	case broker.Unconfirmed:
		c.maybe, c.inbox = true, inbox
		c.repeatIn(0, now)
	case broker.Nacked:
		c.nacked, c.inbox = true, inbox
		c.repeatIn(nackPause, now)
	case broker.Returned:
		c.arrivals--
		c.returned(typ, inbox, now)
	}
}

// waits notes that the inbox has taken a request: its host gets it when it is
// back, and until then there is nothing to do but to ask when its time is up.
func (c *course) waits(typ string, now time.Time) {
	if typ == wire.TypeRun {
		c.inInbox = true
	} else {
		c.recalling = true
	}
	c.hold = c.notAfter.Add(time.Millisecond)
	c.next = c.hold
}

// place says where the job waits.
func (c *course) place() model.Wait {
	switch {
	case c.recalling:
		return model.WaitCancel
	case c.inInbox:
		return model.WaitInbox
	}
	return model.NoWait
}

// returned decides what follows when no queue has taken the publication.
func (c *course) returned(typ string, inbox bool, now time.Time) {
	switch {
	case c.whenOnline && !inbox && typ != wire.TypeStatus && now.Before(c.notAfter) && (!c.maybe || c.inInbox):
		c.inbox, c.next = true, now
	case c.maybe || c.nacked:
		c.repeatIn(c.pause, now)
		c.pause = min(2*c.pause, maxRepeat)
	case c.backSoon(now):
		c.repeatIn(returningPause, now)
	default:
		c.unreachable = true
	}
}

// backSoon reports whether a host that nobody answers for may only be on its way
// back to the broker, as this operator was a moment ago.
func (c *course) backSoon(now time.Time) bool {
	return !c.reconnected.IsZero() && now.Before(c.reconnected.Add(returning)) && now.Before(c.notAfter)
}

// repeatIn sets the next publication. What the agent has accepted is not asked
// for as long as its silence is short, but when it should have ended.
func (c *course) repeatIn(d time.Duration, now time.Time) {
	c.next = now.Add(d)
	if c.cancel {
		return
	}
	if !c.heard.IsZero() {
		ask := c.heard.Add(c.silence)
		if end := c.end(); end.After(now) && end.Before(ask) {
			ask = end
		}
		c.next = latest(c.next, ask)
	}
	c.next = latest(c.next, c.hold)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// progress takes what the store says of the job. Where the agent has said nothing
// since, it is the echo of what the operator has stored itself.
func (c *course) progress(p results.Progress, now time.Time) {
	if p.State == model.Ended {
		c.done = true
		return
	}
	if p.Heard == c.answers {
		return
	}
	c.answers, c.heard = p.Heard, now
	switch {
	case p.Forgotten:
		c.forgotten, c.since, c.why = true, p.Since, p.Why
	case p.Unknown && (c.resumed || c.refusal != ""):
		c.hold = c.notAfter.Add(time.Millisecond) // then its agent refuses it for good
		c.repeatIn(0, now)
	case p.Unknown && now.After(c.notAfter): // by our clock; the agent's is behind
		c.repeatIn(c.pause, now)
	case p.Unknown: // also of a job that it had: the power took what was not synced, and it has not begun
		c.maybe, c.state, c.deadline = true, model.Sent, time.Time{}
		c.next = now
	default:
		c.state, c.maybe, c.told = p.State, true, true
		c.deadline = now.Add(c.timeout)
		if p.State == model.Accepted {
			c.deadline = c.notAfter.Add(c.timeout)
		}
		if !c.cancel { // a cancel keeps its own pace
			c.repeatIn(0, now)
		}
	}
}

// canceled says that the operator wants the job stopped.
func (c *course) canceled(now time.Time) {
	c.cancel, c.next, c.pause = true, now, firstRepeat
}

// relinked says that the callback queue was declared anew: what the agent has
// said in between went nowhere, so it is asked.
func (c *course) relinked(since, now time.Time) {
	c.reconnected = since
	if c.maybe && !c.inInbox {
		c.next, c.pause = now, firstRepeat
	}
}
