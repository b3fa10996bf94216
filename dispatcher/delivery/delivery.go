// Package delivery decides what the operator does next about one job: send its request, ask
// its agent, or give it an outcome.
package delivery

import (
	"slices"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// FirstRepeatDelay is the wait before a routed request without an answer is sent
	// again. An agent answers within 50 ms, so 2 s of silence mean that a message was
	// lost, or that the agent is dead and the broker still has its connection. The
	// delay doubles up to maxRepeatDelay.
	FirstRepeatDelay = 2 * time.Second
	maxRepeatDelay   = 15 * time.Second

	// FirstStatusInterval is how long an agent that has accepted a job may be silent
	// before it gets a status. The interval doubles with each status up to
	// maxStatusInterval: an agent reports changes by itself, also after a restart, so
	// a status only finds what was lost on the way.
	FirstStatusInterval = 30 * time.Second
	maxStatusInterval   = 5 * time.Minute

	// silenceTimeout is how long the agent of a job without a timeout may leave all
	// questions unanswered before the job is lost. Without it, an agent that is gone
	// for good would keep its operator forever. It is about six questions, and longer
	// than a machine takes to reboot. No job is lost sooner because the operator itself has no
	// connection, the broker takes no messages, or many hosts have to be asked at the same time.
	silenceTimeout = 15 * time.Minute

	// reconnectGrace is how long after the operator's own reconnection an unrouted
	// request is repeated: agents are still reconnecting too.
	reconnectGrace       = time.Minute
	reconnectRepeatDelay = time.Second

	// nackRepeatDelay is the wait after the broker has nacked a request: the host's queue
	// is full, or the node of the queue is down and the agent connects to another.
	nackRepeatDelay = 500 * time.Millisecond

	// finalStatusWait is how long a job gets status requests after its last possible
	// end, before it is lost.
	finalStatusWait = 15 * time.Second

	// killGrace is added to a job's timeout before its end is overdue: an agent's
	// --kill-grace and the way back.
	killGrace = 30 * time.Second

	// postponedPatience is how long a process that has taken over a postponed job leaves it to
	// the other one, which may live and send it: a rollout was paused and resumed meanwhile.
	postponedPatience = 2 * time.Minute

	// SignRetryDelay is the wait after a failed signature, for example without
	// ssh-agent, before the next one is asked for.
	SignRetryDelay = 15 * time.Second

	// sentReportDelay is how long a sent job waits for an answer before the store
	// records it as sent: a quick answer makes that record superfluous.
	sentReportDelay = FirstRepeatDelay
)

// A Step is what a host goroutine does next.
type Step struct {
	Send       string        // publish a request of this type
	Inbox      bool          //   to the host's inbox, not to its queue
	Outcome    wire.Outcome  // end the job with this outcome
	Reason     string        //   and this reason
	RecordSent bool          // record in the store that the job is sent
	Wait       time.Duration // decide again after this time at the latest
	Done       bool          // the job has an outcome
}

// Delivery is the state of one job as its operator sees it. It is pure, and its host
// goroutine owns it. Times are of the operator's clock.
type Delivery struct {
	NotAfter time.Time     // the agent may begin it until then
	timeout  time.Duration // see answerTimeout

	state            model.State
	inFlight         string    // type of the publication that awaits its verdict; "" none
	mayHaveArrived   bool      // some attempt may have reached the agent
	nacked           bool      // the broker nacked some attempt; the agent may have it nevertheless
	Next             time.Time // the earliest next publication
	notBefore        time.Time // nothing but a cancel is published before
	repeatDelay      time.Duration
	PossibleArrivals int           // publications that may have reached the agent
	sentToInbox      bool          // one of them went to the inbox
	answers          int           // the agent's, as the store counts them
	heardAt          time.Time     // when the agent last answered
	statusInterval   time.Duration // how long it may be silent now
	adoptedAt        time.Time     // when this process took over an adopted job
	firstSent        time.Time
	SentRecorded     bool      // the store knows that it is sent
	sentAgain        bool      // at once, since its agent did not know it
	deadline         time.Time // its last possible end, once the agent has accepted
	cancel           bool
	WhenOnline       bool      // an unrouted request may wait in the host's inbox
	InboxUntil       time.Time // how long a request is valid there; zero: until notAfter
	toInbox          bool      // the next publication goes there
	RunInInbox       bool      // a run waits there
	cancelInInbox    bool      // a cancel waits there
	Adopted          bool      // sent by another process; its request is unknown here
	wasPostponed     bool      // adopted, and its agent was new: it has refused the only request
	refusedSince     time.Time // when its agent refused it again, here
	Secret           bool      // adopted, and sent with secrets that are unknown here
	signFailed       bool      // the last statement could not be signed
	refusedReason    string    // of the broker, which refuses the job's requests; empty: it takes them
	unreachable      bool      // no queue has that name
	forgotten        bool      // the agent cannot know whether it has run
	journalSince     int64     // the agent knows about jobs since then
	forgottenReason  string    // the agent's; may be empty
	IssuedFrom       time.Time // the earliest issue time of the next statement; zero: any. See postpone
	answeredInFlight bool      // the agent has answered the publication in flight
	Done             bool
	reconnectedAt    time.Time // the operator itself; zero before that
	downSince        time.Time // the operator has no connection; zero: it has
	askedAt          time.Time // the first question since dueAt; before that, some earlier one
	asking           bool      // it is in flight
}

// AnswerTimeout is how long after an agent's last answer its job may still end: the job's
// timeout or, without one, the time within which the agent must answer a question.
func AnswerTimeout(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return silenceTimeout
	}
	return timeout + killGrace
}

func New(notAfter time.Time, timeout time.Duration) Delivery {
	return Delivery{NotAfter: notAfter, timeout: timeout, state: model.Pending, repeatDelay: FirstRepeatDelay, statusInterval: FirstStatusInterval}
}

// NewAdopted is the state of a job that another process has sent, or was about to
// send. The job may have arrived, so it gets only status requests.
func NewAdopted(j *model.Job, notAfter, now time.Time, timeout time.Duration) Delivery {
	c := New(notAfter, timeout)
	c.Adopted, c.mayHaveArrived, c.SentRecorded, c.state, c.firstSent = true, true, true, j.State, now
	c.adoptedAt, c.wasPostponed = now, j.Wait == model.WaitNewAgent
	c.RunInInbox = j.Wait == model.WaitInbox
	c.WhenOnline = c.RunInInbox // a cancel may wait there, too
	if j.State == model.Accepted || j.State == model.Running {
		c.deadline = now.Add(timeout)
	}
	return c
}

// Decide returns what to do at now. The first case that applies wins.
func (c *Delivery) Decide(now time.Time) Step {
	switch {
	case c.Done:
		return Step{Done: true}
	case c.unreachable && c.WhenOnline:
		return Step{Outcome: wire.Unreachable, Reason: "no agent answers to this name, and it has no inbox"}
	case c.unreachable:
		return Step{Outcome: wire.Unreachable, Reason: "no agent answers to this name"}
	case c.refusedReason != "" && !c.mayHaveArrived && !c.nacked && c.inFlight == "":
		return Step{Outcome: wire.Unreachable, Reason: "the broker refused it: " + c.refusedReason}
	case c.forgotten && (c.wasPostponed || c.PossibleArrivals == 1 && !c.sentToInbox && !c.Adopted):
		return Step{Outcome: wire.Rejected, Reason: journalTooYoungReason(c)}
	case c.forgotten:
		return Step{Outcome: wire.Lost, Reason: mayHaveRunReason(c)}
	case c.inFlight != "" && c.toInbox && !now.Before(c.lostAt()):
		return Step{Outcome: wire.Lost, Reason: lostReason(c)}
	case c.inFlight != "" && c.toInbox: // an inbox without a leader leaves it unconfirmed
		return Step{Wait: c.lostAt().Sub(now)}
	case c.inFlight != "":
		return Step{Wait: time.Hour}
	case c.postponed() && !now.Before(c.NotAfter):
		return Step{Outcome: wire.Rejected, Reason: journalTooYoungReason(c)}
	case c.cancel && !c.mayHaveArrived && c.firstSent.IsZero():
		return Step{Outcome: wire.Canceled, Reason: CanceledUnsent}
	case c.firstSent.IsZero() && !now.Before(c.NotAfter):
		return Step{Outcome: wire.Unreachable, Reason: unsentReason(c)}
	case !now.Before(c.lostAt()):
		return Step{Outcome: wire.Lost, Reason: lostReason(c)}
	case !c.SentRecorded && c.mayHaveArrived && c.state == model.Sent && !now.Before(c.firstSent.Add(sentReportDelay)):
		return Step{RecordSent: true}
	case now.Before(c.Next):
		return Step{Wait: c.sleep(now)}
	}
	return Step{Send: c.request(now), Inbox: c.toInbox, Wait: c.verdictDue().Sub(now)}
}

// request is the type of the next publication.
func (c *Delivery) request(now time.Time) string {
	switch {
	case c.cancel && !c.cancelInInbox:
		return wire.TypeCancel
	case c.Adopted, c.RunInInbox, c.refusedReason != "", c.state == model.Accepted, c.state == model.Running, now.After(c.NotAfter):
		return wire.TypeStatus
	}
	return wire.TypeRun
}

func (c *Delivery) sleep(now time.Time) time.Duration {
	until := c.Next
	if !c.SentRecorded && c.mayHaveArrived && c.state == model.Sent && c.firstSent.Add(sentReportDelay).Before(until) {
		until = c.firstSent.Add(sentReportDelay)
	}
	if end := c.verdictDue(); end.Before(until) {
		until = end
	}
	return until.Sub(now)
}

// verdictDue is when decide returns an outcome whatever happens.
func (c *Delivery) verdictDue() time.Time {
	if c.firstSent.IsZero() {
		return c.NotAfter
	}
	return c.lostAt()
}

// latestEnd is when the job has ended, whatever becomes of it.
func (c *Delivery) latestEnd() time.Time { return latest(c.NotAfter, c.deadline) }

// dueAt is from when on the agent, if asked, can tell the job's end to this process.
func (c *Delivery) dueAt() time.Time { return latest(c.latestEnd(), c.adoptedAt, c.reconnectedAt) }

// unasked reports whether the agent has not been asked since then: many hosts wait for their turn,
// or the broker takes no messages. Questions that cannot be signed are not waited for.
func (c *Delivery) unasked() bool {
	return c.mayHaveArrived && c.inFlight == "" && !c.signFailed && c.askedAt.Before(c.dueAt())
}

// lostAt is when a silent job is lost: after its latest end, and after it had time to
// answer a status, also to the operator that has connected again.
func (c *Delivery) lostAt() time.Time {
	end := latest(c.dueAt(), c.askedAt)
	if !c.downSince.IsZero() {
		end = latest(end, c.downSince.Add(silenceTimeout))
	}
	if c.unasked() {
		end = latest(end, c.dueAt().Add(silenceTimeout))
	}
	if !c.heardAt.IsZero() {
		end = latest(end, c.heardAt.Add(c.statusInterval))
	}
	return end.Add(finalStatusWait)
}

// OnPublished notes that the publisher has taken a request of that type.
func (c *Delivery) OnPublished(typ string, now time.Time) {
	c.inFlight, c.signFailed = typ, false
	if c.askedAt.Before(c.dueAt()) {
		c.askedAt, c.asking = now, true
	}
	c.PossibleArrivals++
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

// OnSignFailed notes that the next request could not be signed. The task paces
// signatures.
func (c *Delivery) OnSignFailed(now time.Time) { c.signFailed, c.Next = true, now.Add(SignRetryDelay) }

// OnRefused notes that the broker has refused the publication in flight: no queue has it,
// and it is never sent again. If an earlier one may have arrived, its agent is asked, at
// the longest interval.
func (c *Delivery) OnRefused(words string, now time.Time) {
	typ := c.inFlight
	c.inFlight, c.toInbox, c.refusedReason = "", false, words
	c.PossibleArrivals--
	c.Next = now
	if typ != wire.TypeRun {
		c.Next = atEnd(c.latestEnd(), now.Add(maxStatusInterval), now)
	}
}

// OnVerdict takes the broker's verdict on the publication in flight.
func (c *Delivery) OnVerdict(k broker.Kind, now time.Time) {
	inbox := c.toInbox
	typ := c.inFlight
	c.inFlight, c.toInbox = "", false
	if c.asking { // the broker may have held it back for minutes
		c.askedAt, c.asking = now, false
	}
	if c.answeredInFlight {
		c.answeredInFlight = false
		return
	}
	switch k {
	case broker.Routed:
		c.mayHaveArrived = true
		if inbox {
			c.onInboxRouted(typ, now)
			return
		}
		c.backOff(now)
	case broker.Unconfirmed:
		c.mayHaveArrived, c.toInbox = true, inbox
		c.repeatAfter(0, now)
	case broker.Nacked:
		c.nacked, c.toInbox = true, inbox
		if inbox { // it has no leader, and its channel has waited for it for seconds
			c.backOff(now)
		} else {
			c.repeatAfter(nackRepeatDelay, now)
		}
	case broker.Returned:
		c.PossibleArrivals--
		c.onReturned(typ, inbox, now)
	}
}

// onInboxRouted notes that the inbox has taken a request. The host gets it when it is
// back; until then only a reconnection, or the end of its time, leads to a status.
func (c *Delivery) onInboxRouted(typ string, now time.Time) {
	if typ == wire.TypeRun {
		c.RunInInbox = true
	} else {
		c.cancelInInbox = true
	}
	c.notBefore = c.NotAfter.Add(time.Millisecond)
	c.Next = c.notBefore
}

// WaitReason returns what the job waits for, as the store records it.
func (c *Delivery) WaitReason() model.Wait {
	switch {
	case c.cancelInInbox:
		return model.WaitCancel
	case c.RunInInbox:
		return model.WaitInbox
	}
	return model.NoWait
}

// onReturned decides what follows when no queue has taken the publication.
func (c *Delivery) onReturned(typ string, inbox bool, now time.Time) {
	switch {
	case c.WhenOnline && !inbox && typ != wire.TypeStatus && now.Before(c.NotAfter) && (!c.mayHaveArrived || c.RunInInbox):
		c.toInbox, c.Next, c.NotAfter = true, now, latest(c.NotAfter, c.InboxUntil)
	case c.RunInInbox && typ == wire.TypeStatus: // its host is away, perhaps for days
		c.repeatAfter(maxStatusInterval, now)
		c.Next = atEnd(c.latestEnd(), c.Next, now)
	case c.mayHaveArrived || c.nacked:
		c.backOff(now)
	case c.withinReconnectGrace(now):
		c.repeatAfter(reconnectRepeatDelay, now)
	default:
		c.unreachable = true
	}
}

// withinReconnectGrace reports whether an unrouted host may still be reconnecting to the
// broker, as this operator was a moment ago.
func (c *Delivery) withinReconnectGrace(now time.Time) bool {
	return !c.reconnectedAt.IsZero() && now.Before(c.reconnectedAt.Add(reconnectGrace)) && now.Before(c.NotAfter)
}

// repeatAfter sets the time of the next publication. An accepted job gets no status while
// its agent's silence is short, except at its latest end.
func (c *Delivery) repeatAfter(d time.Duration, now time.Time) {
	c.Next = now.Add(d)
	if c.cancel {
		return
	}
	if !c.heardAt.IsZero() {
		c.Next = latest(c.Next, atEnd(c.latestEnd(), c.heardAt.Add(c.statusInterval), now))
	}
	c.Next = latest(c.Next, c.notBefore)
}

// atEnd returns the time of the next question, or the job's latest end if that is still to come and
// before it.
func atEnd(end, next, now time.Time) time.Time {
	if end.After(now) && end.Before(next) {
		return end
	}
	return next
}

// backOff sets the time of the next publication, and waits twice as long before the one after it.
func (c *Delivery) backOff(now time.Time) {
	c.repeatAfter(c.repeatDelay, now)
	c.repeatDelay = min(2*c.repeatDelay, maxRepeatDelay)
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// OnProgress takes what the store reports of the job. Unless the agent has answered
// since, that is the operator's own update.
func (c *Delivery) OnProgress(p results.Progress, now time.Time) {
	if p.State == model.Ended {
		c.Done = true
		return
	}
	if p.Heard == c.answers {
		return
	}
	if p.Forgotten && p.Since != 0 && p.Since <= c.IssuedFrom.UnixMilli() && !c.IssuedFrom.IsZero() {
		c.answers = p.Heard // it repeats the answer to the first statement
		return
	}
	c.answers, c.heardAt = p.Heard, now
	switch {
	case c.RunInInbox && (p.Unknown || p.Forgotten && p.Why != "" && now.Before(c.NotAfter)): // the agent has not read its inbox yet
		if !c.Adopted {
			c.notBefore = c.NotAfter.Add(time.Millisecond)
		}
		c.repeatAfter(0, now)
	case p.Forgotten && c.mayPostpone(p.Since):
		c.postpone(p)
	case p.Forgotten:
		c.journalSince, c.forgottenReason = p.Since, p.Why
		if c.wasPostponed && c.refusedSince.IsZero() {
			c.refusedSince = now
		}
		if c.forgotten = !c.wasPostponed || now.Sub(c.refusedSince) >= postponedPatience; !c.forgotten {
			c.repeatAfter(0, now)
		}
	case p.Unknown && (c.Adopted || c.refusedReason != ""):
		c.notBefore = c.NotAfter.Add(time.Millisecond) // after that its agent refuses it for good
		c.repeatAfter(0, now)
	case p.Unknown && now.After(c.NotAfter): // by the operator's clock; the agent's is behind
		c.repeatAfter(c.repeatDelay, now)
	case p.Unknown: // even if the agent had it: a power failure took what was not synced, and it has not begun
		c.mayHaveArrived, c.state, c.deadline = true, model.Sent, time.Time{}
		if c.sentAgain { // an agent that says so of each request gets them at the usual pace
			c.backOff(now)
			break
		}
		c.Next, c.sentAgain = now, true
	default:
		c.state, c.mayHaveArrived, c.SentRecorded = p.State, true, true
		c.RunInInbox, c.wasPostponed, c.notBefore = false, false, time.Time{}
		c.deadline = now.Add(c.timeout)
		if p.State == model.Accepted {
			c.deadline = c.NotAfter.Add(c.timeout)
		}
		if !c.cancel { // a cancel keeps its own pace
			c.repeatAfter(0, now)
		}
	}
}

// OnCancel notes that the operator cancels the job.
func (c *Delivery) OnCancel(now time.Time) {
	c.cancel, c.Next, c.repeatDelay = true, now, FirstRepeatDelay
}

// OnReplyQueueDown notes that the operator has no connection, so that no agent can answer.
func (c *Delivery) OnReplyQueueDown(now time.Time) {
	if c.downSince.IsZero() {
		c.downSince = now
	}
}

// OnReplyQueueUp notes that the operator has a connection, and reply queue, again. If it had one
// before, or missed replies otherwise, the agent gets a status.
func (c *Delivery) OnReplyQueueUp(since, now time.Time, missed bool) {
	c.downSince = time.Time{}
	if !missed {
		return
	}
	c.reconnectedAt = since
	c.statusInterval = FirstStatusInterval // this status can be lost, too: the host may have been cut off as well
	if c.RunInInbox || c.cancelInInbox {   // the host may have come back meanwhile, and its answer is lost
		c.notBefore = time.Time{}
	}
	if c.mayHaveArrived {
		c.Next, c.repeatDelay = now, FirstRepeatDelay
	}
}
