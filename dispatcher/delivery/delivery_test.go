package delivery

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const (
	startTimeout = time.Minute
	timeout      = 10 * time.Second
)

func freshDelivery() Delivery { return New(t0.Add(startTimeout), timeout) }

// publish publishes what the delivery wants, and gives the broker's verdict on it.
func publish(t *testing.T, c *Delivery, typ string, k broker.Kind, now time.Time) {
	t.Helper()
	if s := c.Decide(now); s.Send != typ {
		t.Fatalf("at %s: decided %+v, want to send %s", now.Sub(t0), s, typ)
	}
	c.OnPublished(typ, now)
	if s := c.Decide(now); s.Send != "" || s.Outcome != "" {
		t.Fatalf("while a publication is in flight: %+v", s)
	}
	c.OnVerdict(k, now)
}

func wantEnd(t *testing.T, c *Delivery, o wire.Outcome, now time.Time) Step {
	t.Helper()
	s := c.Decide(now)
	if s.Outcome != o || s.Reason == "" {
		t.Errorf("at %s: decided %+v, want outcome %s with a reason", now.Sub(t0), s, o)
	}
	return s
}

// agentSays passes on an agent's answer as the store does.
func agentSays(c *Delivery, p results.Progress, now time.Time) {
	p.Heard = c.answers + 1
	c.OnProgress(p, now)
}

func TestUnroutedRequestIsUnreachableAtOnce(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Returned, t0)
	wantEnd(t, &c, wire.Unreachable, t0)
}

// refuse publishes what the delivery wants, and refuses it as the broker.
func refuse(t *testing.T, c *Delivery, typ string, now time.Time) {
	t.Helper()
	if s := c.Decide(now); s.Send != typ {
		t.Fatalf("at %s: decided %+v, want to send %s", now.Sub(t0), s, typ)
	}
	c.OnPublished(typ, now)
	c.OnRefused("PRECONDITION_FAILED - no", now)
}

func TestRefusedRequestIsUnreachableAtOnce(t *testing.T) {
	c := freshDelivery()
	refuse(t, &c, wire.TypeRun, t0)
	if s := wantEnd(t, &c, wire.Unreachable, t0); !strings.Contains(s.Reason, "PRECONDITION_FAILED - no") {
		t.Errorf("the reason is %q", s.Reason)
	}
}

// A message may be routed to the queue of a dead node and to the queue that the agent has
// taken since. The broker nacks it, and it arrives.
func TestNackedRequestMayHaveArrived(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Nacked, t0)
	refuse(t, &c, wire.TypeRun, c.Next)
	publish(t, &c, wire.TypeStatus, broker.Routed, c.Next)
}

func TestLostReasonOfNackedRequestNamesFullQueueAndDeadNode(t *testing.T) {
	c := freshDelivery()
	now := t0
	for now.Before(t0.Add(startTimeout + finalStatusWait)) {
		s := c.Decide(now)
		if s.Send == "" {
			now = now.Add(s.Wait)
			continue
		}
		c.OnPublished(s.Send, now)
		c.OnVerdict(broker.Nacked, now)
	}
	if s := wantEnd(t, &c, wire.Lost, now); !strings.Contains(s.Reason, "full, or on a broker node that is down") {
		t.Errorf("the reason is %q", s.Reason)
	}
}

// A job that may have arrived before gets a status. It is never sent again, and is not
// unreachable.
func TestRefusedJobThatMayHaveArrivedIsAskedFor(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Unconfirmed, t0)
	refuse(t, &c, wire.TypeRun, t0)
	publish(t, &c, wire.TypeStatus, broker.Routed, t0)
	agentSays(&c, results.Progress{Unknown: true}, t0)
	if s := c.Decide(t0); s.Send != "" || s.Outcome != "" {
		t.Errorf("its agent does not know it: %+v", s)
	}
	publish(t, &c, wire.TypeStatus, broker.Routed, t0.Add(startTimeout+time.Second)) // which its agent refuses for good
}

// If the broker refuses questions too, few are sent, and its words are the reason.
func TestRefusedQuestionsAreFewAndTheJobIsLost(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	sent, now := 0, t0
	for range 100 {
		s := c.Decide(now)
		if s.Outcome != "" {
			break
		}
		if s.Send == "" {
			now = now.Add(s.Wait)
			continue
		}
		sent++
		c.OnPublished(s.Send, now)
		c.OnRefused("ACCESS_REFUSED - no", now)
	}
	if s := wantEnd(t, &c, wire.Lost, now); !strings.Contains(s.Reason, "ACCESS_REFUSED - no") || sent > 3 {
		t.Errorf("after %d publications: %q", sent, s.Reason)
	}
}

func TestUnroutedRepeatIsNotUnreachable(t *testing.T) {
	for _, first := range []broker.Kind{broker.Routed, broker.Unconfirmed} {
		c := freshDelivery()
		publish(t, &c, wire.TypeRun, first, t0)
		c.SentRecorded = true
		publish(t, &c, wire.TypeRun, broker.Returned, t0.Add(FirstRepeatDelay))
		if s := c.Decide(t0.Add(FirstRepeatDelay)); s.Outcome != "" {
			t.Errorf("%s, then returned: %+v, want to go on", first, s)
		}
	}
}

func TestUnroutedIsRepeatedForAMinuteAfterReconnection(t *testing.T) {
	c := New(t0.Add(time.Hour), timeout)
	c.OnReplyQueueUp(t0, t0, true)
	now := t0
	for now.Before(t0.Add(reconnectGrace)) {
		publish(t, &c, wire.TypeRun, broker.Returned, now)
		if s := c.Decide(now); s.Outcome != "" {
			t.Fatalf("%s after reconnection: %+v", now.Sub(t0), s)
		}
		now = now.Add(reconnectRepeatDelay)
	}
	publish(t, &c, wire.TypeRun, broker.Returned, now)
	wantEnd(t, &c, wire.Unreachable, now)
}

func TestRequestIsRepeatedWithBackOffUntilHeard(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	now, sends := t0, []time.Duration(nil)
	for now.Before(t0.Add(startTimeout)) {
		publish(t, &c, wire.TypeRun, broker.Routed, now)
		sends = append(sends, now.Sub(t0))
		now = c.Next
	}
	want := []time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 29 * time.Second, 44 * time.Second, 59 * time.Second}
	if len(sends) != len(want) {
		t.Fatalf("sent at %v, want %v", sends, want)
	}
	for i := range want {
		if sends[i] != want[i] {
			t.Errorf("attempt %d at %s, want %s", i+1, sends[i], want[i])
		}
	}
}

func TestSilentJobIsAskedForAfterNotAfterThenLost(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	late := t0.Add(startTimeout + time.Millisecond)
	publish(t, &c, wire.TypeStatus, broker.Routed, late)
	wantEnd(t, &c, wire.Lost, late.Add(finalStatusWait))
}

func TestJobThatItsInboxDoesNotConfirmIsLost(t *testing.T) {
	c := freshDelivery()
	c.WhenOnline = true
	publish(t, &c, wire.TypeRun, broker.Returned, t0)
	if s := c.Decide(t0); s.Send != wire.TypeRun || !s.Inbox {
		t.Fatalf("decided %+v, want the inbox", s)
	}
	c.OnPublished(wire.TypeRun, t0)
	lost := t0.Add(startTimeout + finalStatusWait)
	if s := c.Decide(lost.Add(-time.Second)); s.Wait != time.Second || s.Outcome != "" {
		t.Errorf("before the end: decided %+v", s)
	}
	if s := wantEnd(t, &c, wire.Lost, lost); !strings.Contains(s.Reason, "not confirmed") {
		t.Errorf("reason %q", s.Reason)
	}
}

func TestNeverSentIsUnreachableNotLost(t *testing.T) {
	c := freshDelivery()
	if s := c.Decide(t0.Add(startTimeout - 1)); s.Send != wire.TypeRun {
		t.Errorf("before not-after: %+v", s)
	}
	wantEnd(t, &c, wire.Unreachable, t0.Add(startTimeout))
}

func TestAcceptedJobIsAskedForOnlyAfterStatusInterval(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Running}, t0)
	if s := c.Decide(t0.Add(FirstStatusInterval - 1)); s.Send != "" || s.Outcome != "" {
		t.Errorf("before the silence is long: %+v", s)
	}
	publish(t, &c, wire.TypeStatus, broker.Routed, t0.Add(FirstStatusInterval))
	if s := c.Decide(t0.Add(FirstStatusInterval + 1)); s.Send != "" {
		t.Errorf("just asked: %+v", s)
	}
	publish(t, &c, wire.TypeStatus, broker.Routed, t0.Add(startTimeout))
	wantEnd(t, &c, wire.Lost, t0.Add(4*FirstStatusInterval+finalStatusWait)) // its silence is not too long before
}

func TestRunningJobIsNotLostBeforeItsTimeout(t *testing.T) {
	c := New(t0.Add(startTimeout), time.Hour)
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Running}, t0)
	publish(t, &c, wire.TypeStatus, broker.Routed, t0.Add(time.Hour))
	wantEnd(t, &c, wire.Lost, t0.Add(time.Hour+finalStatusWait))
}

// A command without a timeout may run for days. Its agent is asked all along, and the job
// is not lost while the agent answers.
func TestRunningJobWithoutTimeoutIsAskedForDays(t *testing.T) {
	c := New(t0.Add(startTimeout), AnswerTimeout(0))
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	now, asked := t0, 0
	agentSays(&c, results.Progress{State: model.Running}, now)
	for now.Before(t0.Add(7 * 24 * time.Hour)) {
		if d := c.Next.Sub(now); d > maxStatusInterval {
			t.Fatalf("asked again after %s only", d)
		}
		now = c.Next
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
		agentSays(&c, results.Progress{State: model.Running}, now)
		asked++
	}
	if most := int(7 * 24 * time.Hour / maxStatusInterval); asked < most-10 || asked > most+10 {
		t.Errorf("asked %d times in a week, want about %d", asked, most)
	}
}

// A lost question, or an agent that is away for a while, does not make a job lost; an
// agent that is gone for good does.
func TestRunningJobWithoutTimeoutIsLostAfterSilence(t *testing.T) {
	for name, c := range map[string]Delivery{
		"sent here":    New(t0.Add(startTimeout), AnswerTimeout(0)),
		"sent earlier": NewAdopted(&model.Job{State: model.Running}, t0.Add(startTimeout), t0, AnswerTimeout(0)),
	} {
		if c.Adopted {
			publish(t, &c, wire.TypeStatus, broker.Routed, t0)
		} else {
			publish(t, &c, wire.TypeRun, broker.Routed, t0)
		}
		agentSays(&c, results.Progress{State: model.Running}, t0)
		now, asked := t0, 0
		for !now.After(t0.Add(silenceTimeout)) {
			step := c.Decide(now)
			switch {
			case step.Outcome != "":
				t.Fatalf("%s: after %s: %+v", name, now.Sub(t0), step)
			case step.Send != "":
				publish(t, &c, wire.TypeStatus, broker.Returned, now)
				asked++
			default:
				now = now.Add(step.Wait)
			}
		}
		if asked < 5 {
			t.Errorf("%s: asked %d times only", name, asked)
		}
		wantEnd(t, &c, wire.Lost, t0.Add(silenceTimeout+finalStatusWait))
	}
}

func TestAnsweringAgentIsAskedLessAndLess(t *testing.T) {
	c := New(t0.Add(startTimeout), time.Hour)
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	now := t0
	agentSays(&c, results.Progress{State: model.Running}, now)
	var pauses []time.Duration
	for range 6 {
		pauses = append(pauses, c.Next.Sub(now))
		now = c.Next
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
		agentSays(&c, results.Progress{State: model.Running}, now)
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if !slices.Equal(pauses, want) {
		t.Errorf("asked after %v, want %v", pauses, want)
	}
}

func TestUnknownToItsAgentIsSentAgainAtOnce(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Sent, Unknown: true}, t0.Add(time.Second))
	if s := c.Decide(t0.Add(time.Second)); s.Send != wire.TypeRun {
		t.Errorf("decided %+v, want the run again", s)
	}
}

// An agent that answers so to each request is not sent it without a pause.
func TestUnknownToItsAgentIsNotSentInLoop(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	now, sent := t0, 0
	for ; now.Before(t0.Add(startTimeout)); sent++ {
		publish(t, &c, wire.TypeRun, broker.Routed, now)
		agentSays(&c, results.Progress{State: model.Sent, Unknown: true}, now.Add(time.Millisecond))
		now = later(now.Add(time.Millisecond), c.Next)
	}
	if sent > 20 {
		t.Errorf("sent %d times within %v", sent, startTimeout)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// An agent whose clock is behind answers for a while that the job may still come.
func TestUnknownAfterNotAfterIsNotAskedForInLoop(t *testing.T) {
	c := freshDelivery()
	c.SentRecorded = true
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	now, asked := t0.Add(startTimeout+time.Millisecond), 0
	for now.Before(t0.Add(startTimeout + time.Hour)) {
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
		agentSays(&c, results.Progress{State: model.Sent, Unknown: true}, now)
		if s := c.Decide(now); s.Outcome != "" {
			t.Fatalf("while its agent answers: %+v", s)
		}
		now = c.Next
		asked++
	}
	if asked > 20 {
		t.Errorf("asked %d times within an hour", asked)
	}
}

// The agent's answer and the broker's verdict on the question may come in either order.
func TestUnknownAdoptedJobIsAskedForAgainAfterNotAfter(t *testing.T) {
	for _, answerFirst := range []bool{true, false} {
		c := NewAdopted(&model.Job{State: model.Sent}, t0.Add(startTimeout), t0, timeout)
		c.OnPublished(wire.TypeStatus, t0)
		unknown := results.Progress{State: model.Sent, Unknown: true}
		if answerFirst {
			agentSays(&c, unknown, t0)
			c.OnVerdict(broker.Routed, t0)
		} else {
			c.OnVerdict(broker.Routed, t0)
			agentSays(&c, unknown, t0)
		}
		if s := c.Decide(t0.Add(startTimeout)); s.Send != "" || s.Outcome != "" {
			t.Errorf("before its time is up: %+v", s)
		}
		if s := c.Decide(t0.Add(startTimeout + time.Millisecond)); s.Send != wire.TypeStatus {
			t.Errorf("after: %+v", s)
		}
	}
}

// A job is lost if it may have run before and the agent cannot know.
func TestForgottenJobIsLost(t *testing.T) {
	forgotten := results.Progress{State: model.Sent, Forgotten: true, Since: t0.UnixMilli()}
	twice := freshDelivery()
	publish(t, &twice, wire.TypeRun, broker.Unconfirmed, t0)
	publish(t, &twice, wire.TypeRun, broker.Routed, t0)
	agentSays(&twice, forgotten, t0)
	wantEnd(t, &twice, wire.Lost, t0)

	asked := NewAdopted(&model.Job{State: model.Sent}, t0.Add(startTimeout), t0, timeout)
	publish(t, &asked, wire.TypeStatus, broker.Routed, t0)
	agentSays(&asked, forgotten, t0)
	wantEnd(t, &asked, wire.Lost, t0)

	waited := freshDelivery()
	waited.WhenOnline = true
	publish(t, &waited, wire.TypeRun, broker.Returned, t0)
	publish(t, &waited, wire.TypeRun, broker.Routed, t0)
	agentSays(&waited, forgotten, t0.Add(time.Second))
	wantEnd(t, &waited, wire.Lost, t0.Add(time.Second))
}

// The only request that can have arrived got this answer, so the job has not run. If the
// agent takes jobs only after the start timeout, the reason says from when on.
func TestForgottenJobWithOneRequestIsRejected(t *testing.T) {
	c := freshDelivery()
	c.reconnectedAt = t0
	publish(t, &c, wire.TypeRun, broker.Returned, t0)
	publish(t, &c, wire.TypeRun, broker.Routed, t0.Add(reconnectRepeatDelay))
	since := t0.Add(startTimeout)
	agentSays(&c, results.Progress{State: model.Sent, Forgotten: true, Since: since.UnixMilli()}, t0.Add(2*time.Second))
	s := wantEnd(t, &c, wire.Rejected, t0.Add(2*time.Second))
	if want := since.Local().Format(time.TimeOnly); !strings.Contains(s.Reason, want) {
		t.Errorf("reason %q, want the time %s", s.Reason, want)
	}
}

// A name may have moved to another host. Its agent answers since when it has the name. A
// job that only one request can have brought has not run; another may have run on the
// host that had the name before.
func TestReasonNamesLaterOwnerOfHostName(t *testing.T) {
	const why = "b has answered to web01 only since 12:03:11 UTC; this request is older"
	since := t0.Add(startTimeout)
	said := results.Progress{State: model.Sent, Forgotten: true, Since: since.UnixMilli(), Why: why}
	once := freshDelivery()
	publish(t, &once, wire.TypeRun, broker.Routed, t0)
	agentSays(&once, said, t0)
	want := why + "; it accepts jobs issued from " + since.Local().Format(time.TimeOnly) + " on"
	if s := wantEnd(t, &once, wire.Rejected, t0); s.Reason != want {
		t.Errorf("reason %q, want %q", s.Reason, want)
	}
	twice := freshDelivery()
	publish(t, &twice, wire.TypeRun, broker.Unconfirmed, t0)
	publish(t, &twice, wire.TypeRun, broker.Routed, t0)
	agentSays(&twice, said, t0)
	if s := wantEnd(t, &twice, wire.Lost, t0); s.Reason != why+", and another host may have run it" {
		t.Errorf("reason %q", s.Reason)
	}
}

// Progress that comes from the operator's own update is no sign of the agent.
func TestOwnUpdateDoesNotCountAsAnswer(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	c.SentRecorded = true
	c.OnProgress(results.Progress{State: model.Sent}, t0.Add(sentReportDelay))
	publish(t, &c, wire.TypeRun, broker.Routed, t0.Add(FirstRepeatDelay))
}

// A power failure took a job that the agent had accepted and not synced.
func TestAcceptedJobThatAgentLostIsSentAgain(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Accepted}, t0)
	publish(t, &c, wire.TypeStatus, broker.Routed, t0.Add(FirstStatusInterval))
	agentSays(&c, results.Progress{State: model.Accepted, Unknown: true}, t0.Add(FirstStatusInterval))
	publish(t, &c, wire.TypeRun, broker.Routed, t0.Add(FirstStatusInterval))
}

func TestReconnectionAsksForMissedReplies(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Running}, t0)
	c.OnReplyQueueUp(t0.Add(time.Second), t0.Add(time.Second), true)
	if s := c.Decide(t0.Add(time.Second)); s.Send != wire.TypeStatus {
		t.Errorf("decided %+v, want a status", s)
	}
}

// Both ends may have lost their connections, and the status with them. However often that has
// happened before, the next one follows soon.
func TestStatusAfterReconnectionIsRepeatedSoon(t *testing.T) {
	c := New(t0.Add(time.Hour), time.Hour)
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	now := t0
	for range 10 {
		agentSays(&c, results.Progress{State: model.Running}, now)
		now = now.Add(time.Second)
		c.OnReplyQueueUp(now, now, true)
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
	}
	if s := c.Decide(now.Add(2 * FirstStatusInterval)); s.Send != wire.TypeStatus {
		t.Errorf("a minute later it decided %+v, want a status", s)
	}
}

// While the operator cannot ask, its broker being down, no job is lost, and once it can, none
// before its agent was asked.
func TestNoJobIsLostUnasked(t *testing.T) {
	running := func() Delivery {
		c := freshDelivery()
		publish(t, &c, wire.TypeRun, broker.Routed, t0)
		agentSays(&c, results.Progress{State: model.Running}, t0)
		c.OnReplyQueueDown(t0)
		c.OnReplyQueueDown(t0.Add(time.Minute)) // still
		return c
	}
	c, back := running(), t0.Add(10*time.Minute)
	if s := c.Decide(back); s.Outcome != "" {
		t.Fatalf("without a connection: %+v", s)
	}
	c.OnReplyQueueUp(back, back, true)
	turn := back.Add(time.Minute) // others had theirs before
	publish(t, &c, wire.TypeStatus, broker.Routed, turn)
	if s := c.Decide(turn.Add(finalStatusWait - 1)); s.Outcome != "" {
		t.Errorf("before the agent can have answered: %+v", s)
	}
	wantEnd(t, &c, wire.Lost, turn.Add(FirstStatusInterval+finalStatusWait))

	c = running()
	if s := wantEnd(t, &c, wire.Lost, t0.Add(startTimeout+silenceTimeout+finalStatusWait)); !strings.Contains(s.Reason, "no connection to the broker") {
		t.Errorf("reason %q", s.Reason)
	}
}

// A broker that is short of memory takes no messages, for minutes perhaps; and many jobs that end
// at the same time wait for their turn to be asked.
func TestNoJobIsLostBeforeItsAgentIsAskedAtItsEnd(t *testing.T) {
	running := func() Delivery {
		c := freshDelivery()
		publish(t, &c, wire.TypeRun, broker.Routed, t0)
		agentSays(&c, results.Progress{State: model.Running}, t0)
		return c
	}
	c, turn := running(), t0.Add(startTimeout+10*time.Minute)
	publish(t, &c, wire.TypeStatus, broker.Routed, turn)
	if s := c.Decide(turn.Add(finalStatusWait - 1)); s.Outcome != "" {
		t.Errorf("before the agent can have answered: %+v", s)
	}
	wantEnd(t, &c, wire.Lost, turn.Add(finalStatusWait))

	c = running() // the question was on its way when the broker stopped to take messages
	c.Decide(t0.Add(startTimeout))
	c.OnPublished(wire.TypeStatus, t0.Add(startTimeout))
	c.OnVerdict(broker.Routed, turn)
	if s := c.Decide(turn.Add(finalStatusWait - 1)); s.Outcome != "" {
		t.Errorf("before the agent can have answered the late question: %+v", s)
	}
	wantEnd(t, &c, wire.Lost, turn.Add(finalStatusWait))

	c = running()
	if s := wantEnd(t, &c, wire.Lost, t0.Add(startTimeout+silenceTimeout+finalStatusWait)); !strings.Contains(s.Reason, "could not ask") {
		t.Errorf("reason %q", s.Reason)
	}
}

// The answer of a host that came back may be lost with the operator's reply queue.
func TestReconnectionAsksAboutJobInInbox(t *testing.T) {
	inInbox := func() Delivery {
		c := New(t0.Add(30*24*time.Hour), timeout)
		c.WhenOnline = true
		publish(t, &c, wire.TypeRun, broker.Returned, t0)
		publish(t, &c, wire.TypeRun, broker.Routed, t0) // by the inbox
		c.SentRecorded = true
		if s := c.Decide(t0.Add(time.Hour)); s.Send != "" {
			t.Fatalf("while it waits in the inbox: %+v", s)
		}
		return c
	}
	// The host is away, or on its way back: it is asked for now and then.
	c, now := inInbox(), t0.Add(time.Hour)
	c.OnReplyQueueUp(now, now, true)
	for range 3 {
		publish(t, &c, wire.TypeStatus, broker.Returned, now)
		if s := c.Decide(now.Add(maxStatusInterval - 1)); s.Send != "" || s.Outcome != "" || c.WaitReason() != model.WaitInbox {
			t.Errorf("of a host that is away: %+v, %q", s, c.WaitReason())
		}
		now = now.Add(maxStatusInterval)
	}
	// Its agent has not read the inbox yet. It may be one that has the name since.
	for _, says := range []results.Progress{{State: model.Sent, Unknown: true}, {State: model.Sent, Forgotten: true, Since: now.UnixMilli(), Why: "the agent took the name later"}} {
		c = inInbox()
		c.OnReplyQueueUp(now, now, true)
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
		agentSays(&c, says, now)
		if s := c.Decide(now.Add(24 * time.Hour)); s.Send != "" || s.Outcome != "" {
			t.Errorf("of a host that says %+v: %+v", says, s)
		}
	}
	// The command runs, and the last answer is lost.
	agentSays(&c, results.Progress{State: model.Running}, now)
	now = now.Add(2 * FirstStatusInterval)
	publish(t, &c, wire.TypeStatus, broker.Routed, now)
	agentSays(&c, results.Progress{State: model.Running}, now)
	c.OnReplyQueueUp(now, now, true)
	publish(t, &c, wire.TypeStatus, broker.Routed, now)
}

// A process that takes over a job in an inbox asks for it seldom, until the host has it.
func TestAdoptedJobInInboxIsAskedForSeldom(t *testing.T) {
	notAfter := t0.Add(7 * 24 * time.Hour)
	c := NewAdopted(&model.Job{State: model.Sent, Wait: model.WaitInbox}, notAfter, t0, timeout)
	now := t0
	for range 3 {
		publish(t, &c, wire.TypeStatus, broker.Returned, now)
		if s := c.Decide(now.Add(maxStatusInterval - time.Second)); s.Send != "" || s.Outcome != "" {
			t.Fatalf("of a host that is away: %+v", s)
		}
		now = now.Add(maxStatusInterval)
	}
	publish(t, &c, wire.TypeStatus, broker.Routed, now)
	agentSays(&c, results.Progress{State: model.Sent, Unknown: true}, now)
	now = now.Add(maxStatusInterval)
	publish(t, &c, wire.TypeStatus, broker.Returned, now) // not only after its not-after
	c.OnCancel(now)
	publish(t, &c, wire.TypeCancel, broker.Returned, now)
	if s := c.Decide(now); s.Send != wire.TypeCancel || !s.Inbox {
		t.Errorf("canceled: %+v, want a cancel to the inbox", s)
	}
}

// An operator that was cut off past the end of a job asks for it before it gives the job up.
func TestReconnectionLeavesTimeForAnAnswer(t *testing.T) {
	c := New(t0.Add(time.Minute), time.Minute)
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Running}, t0.Add(time.Second))
	back := t0.Add(time.Hour)
	c.OnReplyQueueUp(back, back, true)
	if s := c.Decide(back); s.Send != wire.TypeStatus {
		t.Errorf("it decided %+v, want a status", s)
	}
	publish(t, &c, wire.TypeStatus, broker.Routed, back)
	if s := c.Decide(back.Add(finalStatusWait)); s.Outcome != wire.Lost {
		t.Errorf("without an answer it decided %+v, want lost", s)
	}
}

func TestCancelBeforeAndAfterSending(t *testing.T) {
	c := freshDelivery()
	c.OnCancel(t0)
	wantEnd(t, &c, wire.Canceled, t0)

	c = freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	c.SentRecorded = true
	c.OnCancel(t0)
	publish(t, &c, wire.TypeCancel, broker.Routed, t0)
	publish(t, &c, wire.TypeCancel, broker.Routed, t0.Add(FirstRepeatDelay))
	agentSays(&c, results.Progress{State: model.Ended, Outcome: wire.Canceled}, t0.Add(FirstRepeatDelay))
	if s := c.Decide(t0.Add(FirstRepeatDelay)); !s.Done {
		t.Errorf("decided %+v, want done", s)
	}
}

func TestAnswersDoNotSpeedUpCancel(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	c.OnCancel(t0)
	publish(t, &c, wire.TypeCancel, broker.Routed, t0)
	agentSays(&c, results.Progress{State: model.Running}, t0)
	if s := c.Decide(t0); s.Send != "" {
		t.Errorf("after an answer it sends %s at once", s.Send)
	}
}

func TestNackedRequestIsRepeated(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Nacked, t0)
	publish(t, &c, wire.TypeRun, broker.Routed, t0.Add(nackRepeatDelay))
}

func TestRequestNackedByInboxIsRepeatedWithBackOff(t *testing.T) {
	c := freshDelivery()
	c.WhenOnline = true
	publish(t, &c, wire.TypeRun, broker.Returned, t0)
	for _, delay := range []time.Duration{0, FirstRepeatDelay, FirstRepeatDelay + 2*FirstRepeatDelay} {
		if s := c.Decide(t0.Add(delay - 1)); delay > 0 && s.Send != "" {
			t.Errorf("before %s: decided %+v", delay, s)
		}
		publish(t, &c, wire.TypeRun, broker.Nacked, t0.Add(delay))
		if !c.toInbox {
			t.Error("the next one is not for the inbox")
		}
	}
}

func TestSentIsRecordedOnlyWithoutQuickAnswer(t *testing.T) {
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	if s := c.Decide(t0); s.RecordSent || s.Wait != sentReportDelay {
		t.Errorf("at once: %+v", s)
	}
	if s := c.Decide(t0.Add(sentReportDelay)); !s.RecordSent {
		t.Errorf("after %s: %+v", sentReportDelay, s)
	}
}

// Whatever happens to its messages, a job ends, is never unreachable once it may have
// arrived, and never waits in a busy loop.
func TestEveryDeliveryEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := freshDelivery()
		now, maybe := t0, false
		for range 2000 {
			switch s := c.Decide(now); {
			case s.Done:
				return
			case s.Outcome == wire.Unreachable && maybe:
				t.Fatalf("unreachable, but an attempt may have arrived")
			case s.Outcome != "":
				return
			case s.RecordSent:
				c.SentRecorded = true
			case s.Send != "" && rapid.Bool().Draw(t, "link up"):
				c.OnPublished(s.Send, now)
				k := rapid.SampledFrom([]broker.Kind{broker.Routed, broker.Returned, broker.Nacked, broker.Unconfirmed}).Draw(t, "verdict")
				maybe = maybe || k == broker.Routed || k == broker.Unconfirmed
				c.OnVerdict(k, now)
			default:
				if s.Wait <= 0 {
					t.Fatalf("waits for %s: a busy loop", s.Wait)
				}
				now = now.Add(s.Wait)
			}
			if rapid.IntRange(0, 9).Draw(t, "event") == 0 && maybe {
				p := rapid.SampledFrom([]results.Progress{
					{State: model.Accepted},
					{State: model.Running},
					{Unknown: true},
					{Forgotten: true},
					{State: model.Ended},
					{Forgotten: true, Since: now.Add(3 * time.Second).UnixMilli()},
				}).Draw(t, "progress")
				if now.Before(t0.Add(10 * time.Minute)) { // an agent that talks for ever keeps a job for ever
					before := c.IssuedFrom
					agentSays(&c, p, now)
					maybe = maybe && c.IssuedFrom.Equal(before) // or the agent has refused the only one that arrived
				}
			}
			if rapid.IntRange(0, 50).Draw(t, "relink") == 0 {
				c.OnReplyQueueUp(now, now, true)
			}
			if rapid.IntRange(0, 50).Draw(t, "unlink") == 0 {
				c.OnReplyQueueDown(now)
			}
			if rapid.IntRange(0, 50).Draw(t, "cancel") == 0 && !c.cancel {
				c.OnCancel(now)
			}
		}
		t.Fatalf("no end by %s", now.Sub(t0))
	})
}
