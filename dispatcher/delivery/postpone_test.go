package delivery

import (
	"strings"
	"testing"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// tooNew is the answer of an agent that takes jobs issued from since on.
func tooNew(since time.Time) results.Progress {
	return results.Progress{State: model.Sent, Forgotten: true, Since: since.UnixMilli()}
}

// wantNothingUntil wants the delivery to wait until then.
func wantNothingUntil(t *testing.T, c *Delivery, now, then time.Time) {
	t.Helper()
	if s := c.Decide(now); s.Send != "" || s.Outcome != "" || !now.Add(s.Wait).Equal(then) {
		t.Errorf("decided %+v, want a wait until %s", s, then)
	}
}

func TestNewAgentGetsJobUnderStatementThatItCanCheck(t *testing.T) {
	since := t0.Add(30 * time.Second)
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, tooNew(since), t0)
	wantNothingUntil(t, &c, t0, since)
	agentSays(&c, tooNew(since), t0.Add(time.Second)) // once more, the same answer
	wantNothingUntil(t, &c, t0.Add(time.Second), since)
	publish(t, &c, wire.TypeRun, broker.Routed, since)
	agentSays(&c, tooNew(since), since) // about the first statement
	if c.forgotten || c.postponed() {
		t.Error("an answer to the first statement counts for the second one")
	}
	agentSays(&c, results.Progress{State: model.Accepted}, since)
	if c.state != model.Accepted {
		t.Errorf("state %s", c.state)
	}
}

// The answer of an agent may overtake the broker's confirm.
func TestConfirmAfterAnswerOfNewAgentIsIgnored(t *testing.T) {
	since := t0.Add(30 * time.Second)
	c := freshDelivery()
	c.OnPublished(wire.TypeRun, t0)
	agentSays(&c, tooNew(since), t0)
	c.OnVerdict(broker.Unconfirmed, t0)
	wantNothingUntil(t, &c, t0, since)
}

// Only one publication proves that the job has not run.
func TestRepeatedJobIsNotPostponed(t *testing.T) {
	since := t0.Add(30 * time.Second)
	twice := freshDelivery()
	publish(t, &twice, wire.TypeRun, broker.Unconfirmed, t0)
	publish(t, &twice, wire.TypeRun, broker.Routed, t0)
	agentSays(&twice, tooNew(since), t0)
	wantEnd(t, &twice, wire.Lost, t0)

	again := freshDelivery() // the second statement met another new agent, after it was repeated
	publish(t, &again, wire.TypeRun, broker.Routed, t0)
	agentSays(&again, tooNew(since), t0)
	publish(t, &again, wire.TypeRun, broker.Unconfirmed, since)
	publish(t, &again, wire.TypeRun, broker.Routed, since)
	agentSays(&again, tooNew(since.Add(time.Second)), since)
	wantEnd(t, &again, wire.Lost, since)
}

func TestPostponedJobEnds(t *testing.T) {
	since := t0.Add(30 * time.Second)
	c := freshDelivery()
	publish(t, &c, wire.TypeRun, broker.Routed, t0)
	agentSays(&c, tooNew(since), t0)
	gone := c
	publish(t, &gone, wire.TypeRun, broker.Returned, since)
	wantEnd(t, &gone, wire.Unreachable, since)
	canceled := c
	canceled.OnCancel(t0)
	wantEnd(t, &canceled, wire.Canceled, t0)
	late := c
	wantEnd(t, &late, wire.Rejected, t0.Add(startTimeout))
}

// The agent of a postponed job has refused the only request. The process that takes the job over
// does not say that it may have run. The other process may still send it.
func TestAdoptedPostponedJobIsRejected(t *testing.T) {
	c := NewAdopted(&model.Job{State: model.Sent, Wait: model.WaitNewAgent}, t0.Add(startTimeout), t0, timeout)
	now := t0
	for {
		publish(t, &c, wire.TypeStatus, broker.Routed, now)
		agentSays(&c, results.Progress{Forgotten: true, Since: t0.Add(time.Second).UnixMilli()}, now)
		s := c.Decide(now)
		if s.Outcome != "" {
			break
		}
		now = now.Add(s.Wait)
	}
	if s := wantEnd(t, &c, wire.Rejected, now); !strings.Contains(s.Reason, "journal is new") {
		t.Errorf("reason %q", s.Reason)
	}
	if took := now.Sub(t0); took < postponedPatience || took > 2*postponedPatience {
		t.Errorf("after %v", took)
	}
}
