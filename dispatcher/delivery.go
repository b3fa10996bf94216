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
	firstRepeatDelay = 2 * time.Second
	maxRepeatDelay   = 15 * time.Second

	// silence is how long an agent that has accepted a job may say nothing
	// before it is asked by status. It doubles with each question up to
	// maxSilence: an agent speaks by itself when something happens, also after
	// its own restart, so that the question is for what got lost on the way.
	firstStatusInterval = 30 * time.Second
	maxStatusInterval   = 5 * time.Minute

	// silenceLimit is how long the agent of a running job without a timeout may
	// leave all questions unanswered before the job is called lost. A timeout
	// bounds the wait by itself; without one an agent that is gone for good would
	// keep its operator for ever. It is about six questions, and longer than a
	// machine takes to reboot.
	silenceTimeout = 15 * time.Minute

	// returning is how long after the operator's own reconnection a request
	// that comes back unrouted is repeated: agents are still coming back too.
	reconnectGrace       = time.Minute
	reconnectRepeatDelay = time.Second

	// nackPause is the pause after the broker has refused a request because the
	// host's queue is full.
	nackRepeatDelay = 500 * time.Millisecond

	// lastWord is how long after its last possible end a job is asked for
	// before it is called lost.
	finalStatusWait = 15 * time.Second

	// sayNothing is how long a sent job may be before the store hears of it: a
	// quick answer makes the news of the sending superfluous.
	sentReportDelay = firstRepeatDelay
)

// A step is what a host goroutine does next.
type step struct {
	send       string        // a request type to publish, or
	inbox      bool          //   into the host's inbox, not its queue
	outcome    wire.Outcome  // the operator's own verdict, or
	reason     string        //   why
	recordSent bool          // tell the store that the job is sent, or
	wait       time.Duration // decide again then at the latest
	done       bool          // the agent has had the last word
}

// course is the state of one job as its operator sees it: pure, owned by its
// host goroutine. Times are the operator's clock.
type delivery struct {
	notAfter time.Time     // until when the agent may begin it
	timeout  time.Duration // how long after its agent's last word it may still end

	state            model.State
	inFlight         string    // type of the publication that awaits its verdict; "" none
	mayHaveArrived   bool      // some attempt may have reached the agent
	nacked           bool      // some attempt was refused: queue full
	next             time.Time // the earliest next publication
	notBefore        time.Time // nothing but a cancel is published before
	repeatDelay      time.Duration
	possibleArrivals int           // publications that may have reached the agent
	sentToInbox      bool          // one of them by its inbox
	answers          int           // of the agent, as the store counts them
	heardAt          time.Time     // last sign of the agent
	statusInterval   time.Duration // how long it may be silent now
	adoptedAt        time.Time     // when a resumed job was first asked for
	firstSent        time.Time
	sentRecorded     bool      // the store knows that it is sent
	deadline         time.Time // its last possible end, once the agent has accepted
	cancel           bool
	whenOnline       bool   // what no queue takes may wait in the host's inbox
	toInbox          bool   // the next publication goes there
	runInInbox       bool   // a run waits there
	cancelInInbox    bool   // so does its cancel
	adopted          bool   // sent by another process, whose request is not at hand
	secret           bool   // resumed, and the other process had secrets to send with it
	signFailed       bool   // the last statement could not be signed
	refusedReason    string // why the broker does not take the job's requests, in its words; empty: it does
	unreachable      bool   // the broker knows nobody of that name
	forgotten        bool   // the agent cannot tell
	journalSince     int64  // from when on it can
	forgottenReason  string // why it cannot, where it says so
	done             bool
	reconnectedAt    time.Time // of the operator's own link; zero for its first connection
}

// patience is how long after an agent's word that it has a job the operator waits
// for the next: until the job must have ended, or, without a timeout, until the
// agent must have answered a question.
func answerTimeout(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return silenceTimeout
	}
	return timeout + killGrace
}

func newDelivery(notAfter time.Time, timeout time.Duration) delivery {
	return delivery{notAfter: notAfter, timeout: timeout, state: model.Pending, repeatDelay: firstRepeatDelay, statusInterval: firstStatusInterval}
}

// resumedCourse is that of a job which another process has sent, or has meant
// to. It may have arrived, and only a status tells.
func adoptedDelivery(j *model.Job, notAfter, now time.Time, timeout time.Duration) delivery {
	c := newDelivery(notAfter, timeout)
	c.adopted, c.mayHaveArrived, c.sentRecorded, c.state, c.firstSent = true, true, true, j.State, now
	c.adoptedAt = now
	if j.State == model.Accepted || j.State == model.Running {
		c.deadline = now.Add(timeout)
	}
	return c
}

// decide says what to do at now.
func (c *delivery) decide(now time.Time) step {
	switch {
	case c.done:
		return step{done: true}
	case c.unreachable && c.whenOnline:
		return step{outcome: wire.Unreachable, reason: "no agent answers to this name, and it has no inbox"}
	case c.unreachable:
		return step{outcome: wire.Unreachable, reason: "no agent answers to this name"}
	case c.refusedReason != "" && !c.mayHaveArrived && c.inFlight == "":
		return step{outcome: wire.Unreachable, reason: "the broker refused it: " + c.refusedReason}
	case c.forgotten && c.possibleArrivals == 1 && !c.sentToInbox && !c.adopted:
		return step{outcome: wire.Rejected, reason: c.journalTooYoungReason()}
	case c.forgotten:
		return step{outcome: wire.Lost, reason: c.mayHaveRunReason()}
	case c.inFlight != "":
		return step{wait: time.Hour}
	case c.cancel && !c.mayHaveArrived && c.firstSent.IsZero():
		return step{outcome: wire.Canceled, reason: canceledUnsent}
	case c.firstSent.IsZero() && !now.Before(c.notAfter):
		return step{outcome: wire.Unreachable, reason: c.unsentReason()}
	case c.overdue(now):
		return step{outcome: wire.Lost, reason: c.lostReason()}
	case !c.sentRecorded && c.mayHaveArrived && c.state == model.Sent && !now.Before(c.firstSent.Add(sentReportDelay)):
		return step{recordSent: true}
	case now.Before(c.next):
		return step{wait: c.sleep(now)}
	}
	return step{send: c.request(now), inbox: c.toInbox, wait: c.verdictDue().Sub(now)}
}

// request is the type of the next publication.
func (c *delivery) request(now time.Time) string {
	switch {
	case c.cancel:
		return wire.TypeCancel
	case c.adopted, c.refusedReason != "", c.state == model.Accepted, c.state == model.Running, now.After(c.notAfter):
		return wire.TypeStatus
	}
	return wire.TypeRun
}

func (c *delivery) sleep(now time.Time) time.Duration {
	until := c.next
	if !c.sentRecorded && c.mayHaveArrived && c.state == model.Sent && c.firstSent.Add(sentReportDelay).Before(until) {
		until = c.firstSent.Add(sentReportDelay)
	}
	if end := c.verdictDue(); end.Before(until) {
		until = end
	}
	return until.Sub(now)
}

// lastChance is when decide gives a verdict whatever happens.
func (c *delivery) verdictDue() time.Time {
	if c.firstSent.IsZero() {
		return c.notAfter
	}
	return c.lostAt()
}

// end is when the job should have ended, whatever becomes of it.
func (c *delivery) latestEnd() time.Time { return latest(c.notAfter, c.deadline) }

// giveUp is when silence becomes lost: after its end, and after it has been
// asked for.
func (c *delivery) lostAt() time.Time {
	end := latest(c.latestEnd(), c.adoptedAt)
	if !c.heardAt.IsZero() {
		end = latest(end, c.heardAt.Add(c.statusInterval))
	}
	return end.Add(finalStatusWait)
}

func (c *delivery) overdue(now time.Time) bool { return !now.Before(c.lostAt()) }

func (c *delivery) unsentReason() string {
	if c.signFailed {
		return "it could not be signed in time: it was never sent"
	}
	return "the broker was not there in time: it was never sent"
}

func (c *delivery) lostReason() string {
	switch {
	case c.secret && c.state != model.Accepted && c.state != model.Running:
		return "the process that had its secrets has ended, so it is not sent again, and nobody has answered"
	case c.refusedReason != "":
		return "it may have arrived, nobody has answered, and then the broker refused it: " + c.refusedReason
	case c.signFailed:
		return "it was sent, nobody has answered, and a question for it could not be signed"
	case c.cancelInInbox:
		return "its recall waits in the host's inbox, and the host has not come back"
	case c.runInInbox:
		return "it waits in the host's inbox, and the host has not come back in time"
	case c.state == model.Accepted || c.state == model.Running:
		return "the agent had " + string(c.state) + " it and then fell silent"
	case c.nacked && !c.mayHaveArrived:
		return "the broker refused it every time: the host's queue is full"
	}
	return "it was sent, and nobody has answered"
}

// tooNew is why a job was refused whose only request was answered by an agent
// that cannot tell whether it has run: it has not, since nothing has arrived
// before.
func (c *delivery) journalTooYoungReason() string {
	from := func() string { return time.UnixMilli(c.journalSince).Local().Format(time.TimeOnly) + " on" }
	switch {
	case c.forgottenReason != "" && c.journalSince != 0:
		return c.forgottenReason + ": it takes what is issued from " + from()
	case c.journalSince == 0:
		return "the agent takes this for a job of the past, which it may have forgotten: is its clock right?"
	}
	return "the agent's journal is new: it takes jobs that are issued from " + from()
}

// mayHaveRun is why a job is lost of which several requests may have arrived, at this
// agent or at another that had the name before.
func (c *delivery) mayHaveRunReason() string {
	if c.forgottenReason != "" {
		return c.forgottenReason + ", and another host may have run it"
	}
	return "the agent's memory begins after this job was issued: it may have run"
}

// published says that a request of that type has been given to the broker.
func (c *delivery) onPublished(typ string, now time.Time) {
	c.inFlight, c.signFailed = typ, false
	c.possibleArrivals++
	c.sentToInbox = c.sentToInbox || c.toInbox
	if typ == wire.TypeStatus {
		c.statusInterval = min(2*c.statusInterval, maxStatusInterval)
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
func (c *delivery) onSignFailed(now time.Time) { c.signFailed, c.next = true, now.Add(signRetryDelay) }

// refused says that the broker has refused the publication in flight: no queue has it,
// and it is never sent again. Where an earlier one may have arrived its agent is asked,
// as rarely as one that is silent for long.
func (c *delivery) onRefused(words string, now time.Time) {
	typ := c.inFlight
	c.inFlight, c.toInbox, c.refusedReason = "", false, words
	c.possibleArrivals--
	c.next = now
	if typ != wire.TypeRun {
		c.next = now.Add(maxStatusInterval)
	}
}

// verdict takes the broker's word on the publication in flight.
func (c *delivery) onVerdict(k broker.Kind, now time.Time) {
	inbox := c.toInbox
	typ := c.inFlight
	c.inFlight, c.toInbox = "", false
	switch k {
	case broker.Routed:
		c.mayHaveArrived = true
		if inbox {
			c.onInboxRouted(typ, now)
			return
		}
		c.repeatAfter(c.repeatDelay, now)
		c.repeatDelay = min(2*c.repeatDelay, maxRepeatDelay)
	case broker.Unconfirmed:
		c.mayHaveArrived, c.toInbox = true, inbox
		c.repeatAfter(0, now)
	case broker.Nacked:
		c.nacked, c.toInbox = true, inbox
		c.repeatAfter(nackRepeatDelay, now)
	case broker.Returned:
		c.possibleArrivals--
		c.onReturned(typ, inbox, now)
	}
}

// waits notes that the inbox has taken a request: its host gets it when it is
// back, and until then there is nothing to do but to ask when its time is up.
func (c *delivery) onInboxRouted(typ string, now time.Time) {
	if typ == wire.TypeRun {
		c.runInInbox = true
	} else {
		c.cancelInInbox = true
	}
	c.notBefore = c.notAfter.Add(time.Millisecond)
	c.next = c.notBefore
}

// place says where the job waits.
func (c *delivery) waitReason() model.Wait {
	switch {
	case c.cancelInInbox:
		return model.WaitCancel
	case c.runInInbox:
		return model.WaitInbox
	}
	return model.NoWait
}

// returned decides what follows when no queue has taken the publication.
func (c *delivery) onReturned(typ string, inbox bool, now time.Time) {
	switch {
	case c.whenOnline && !inbox && typ != wire.TypeStatus && now.Before(c.notAfter) && (!c.mayHaveArrived || c.runInInbox):
		c.toInbox, c.next = true, now
	case c.mayHaveArrived || c.nacked:
		c.repeatAfter(c.repeatDelay, now)
		c.repeatDelay = min(2*c.repeatDelay, maxRepeatDelay)
	case c.withinReconnectGrace(now):
		c.repeatAfter(reconnectRepeatDelay, now)
	default:
		c.unreachable = true
	}
}

// backSoon reports whether a host that nobody answers for may only be on its way
// back to the broker, as this operator was a moment ago.
func (c *delivery) withinReconnectGrace(now time.Time) bool {
	return !c.reconnectedAt.IsZero() && now.Before(c.reconnectedAt.Add(reconnectGrace)) && now.Before(c.notAfter)
}

// repeatIn sets the next publication. What the agent has accepted is not asked
// for as long as its silence is short, but when it should have ended.
func (c *delivery) repeatAfter(d time.Duration, now time.Time) {
	c.next = now.Add(d)
	if c.cancel {
		return
	}
	if !c.heardAt.IsZero() {
		ask := c.heardAt.Add(c.statusInterval)
		if end := c.latestEnd(); end.After(now) && end.Before(ask) {
			ask = end
		}
		c.next = latest(c.next, ask)
	}
	c.next = latest(c.next, c.notBefore)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// progress takes what the store says of the job. Where the agent has said nothing
// since, it is the echo of what the operator has stored itself.
func (c *delivery) onProgress(p results.Progress, now time.Time) {
	if p.State == model.Ended {
		c.done = true
		return
	}
	if p.Heard == c.answers {
		return
	}
	c.answers, c.heardAt = p.Heard, now
	switch {
	case p.Forgotten:
		c.forgotten, c.journalSince, c.forgottenReason = true, p.Since, p.Why
	case p.Unknown && (c.adopted || c.refusedReason != ""):
		c.notBefore = c.notAfter.Add(time.Millisecond) // then its agent refuses it for good
		c.repeatAfter(0, now)
	case p.Unknown && now.After(c.notAfter): // by our clock; the agent's is behind
		c.repeatAfter(c.repeatDelay, now)
	case p.Unknown: // also of a job that it had: the power took what was not synced, and it has not begun
		c.mayHaveArrived, c.state, c.deadline = true, model.Sent, time.Time{}
		c.next = now
	default:
		c.state, c.mayHaveArrived, c.sentRecorded = p.State, true, true
		c.deadline = now.Add(c.timeout)
		if p.State == model.Accepted {
			c.deadline = c.notAfter.Add(c.timeout)
		}
		if !c.cancel { // a cancel keeps its own pace
			c.repeatAfter(0, now)
		}
	}
}

// canceled says that the operator wants the job stopped.
func (c *delivery) onCancel(now time.Time) {
	c.cancel, c.next, c.repeatDelay = true, now, firstRepeatDelay
}

// relinked says that the callback queue was declared anew: what the agent has
// said in between went nowhere, so it is asked.
func (c *delivery) onReplyQueueUp(since, now time.Time) {
	c.reconnectedAt = since
	if c.mayHaveArrived && !c.runInInbox {
		c.next, c.repeatDelay = now, firstRepeatDelay
	}
}
