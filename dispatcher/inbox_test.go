package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const month = 30 * 24 * time.Hour

// submitOnline submits a task that offline hosts may start within a month.
func (r *rig) submitOnline(hosts ...string) model.Task {
	r.t.Helper()
	task, err := r.d.Submit(context.Background(), model.Spec{
		Command: "true", Hosts: hosts, StartTimeout: month, WhenOnline: true,
		Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

// takeRun answers the next publication, and checks where it goes and for how long it is valid.
func (r *rig) takeRun(k broker.Kind, key string, valid time.Duration) *broker.Publication {
	r.t.Helper()
	p := r.take(k)
	q, err := wire.DecodeRequest(p.Msg.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := time.Duration(q.Statement.NotAfter-q.Statement.IssuedAt) * time.Millisecond; p.Key != key || p.Msg.Type != wire.TypeRun || got != valid {
		r.t.Errorf("%s to %s, valid for %s; want %s, %s", p.Msg.Type, p.Key, got, key, valid)
	}
	return p
}

// A host that is online gets a request that agents without an inbox accept. Only the inbox of
// a host that is offline gets one for the whole time.
func TestOnlineHostGetsRequestThatItAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submitOnline("on")
		on := r.takeRun(broker.Routed, wire.HostKey("on"), wire.DefaultMaxValidity)
		r.store.reply(on.Msg.CorrelationId, results.Progress{State: model.Ended, OK: true})
		task := r.submitOnline("off")
		if valid := task.NotAfter.Sub(task.Created); valid != month {
			t.Errorf("the task lasts %s", valid)
		}
		r.takeRun(broker.Returned, wire.HostKey("off"), wire.DefaultMaxValidity)
		p := r.takeRun(broker.Routed, wire.InboxKey("off"), month)
		q, err := wire.DecodeRequest(p.Msg.Body)
		if err != nil {
			t.Fatal(err)
		}
		r.store.mu.Lock()
		job := *r.store.jobs[p.Msg.CorrelationId]
		r.store.mu.Unlock()
		if string(job.Digest) != string(q.Digest[:]) || job.Signed.NotAfter.UnixMilli() != q.Statement.NotAfter {
			t.Error("the store does not have the statement of the request in the inbox")
		}
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, OK: true})
		r.expectNothing()
	})
}

// If an agent may have received the request, the operator sends no other statement for the job:
// repeats have the same bytes.
func TestNoSecondStatementIfFirstMayHaveArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []broker.Kind{broker.Routed, broker.Unconfirmed, broker.Nacked} {
			r := newRig(t)
			r.submitOnline("a")
			first := r.takeRun(kind, wire.HostKey("a"), wire.DefaultMaxValidity)
			for range 3 {
				p := r.take(broker.Returned)
				if p.Msg.Type == wire.TypeRun && string(p.Msg.Body) != string(first.Msg.Body) {
					t.Errorf("after %v: other bytes to %s", kind, p.Key)
				}
			}
			r.close()
		}
	})
}

// A host without an inbox that connects while the operator does gets the shorter request again.
func TestHostWithoutInboxThatReconnectsGetsRequestThatItAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, func(d *Dispatcher) {
			d.replies = broker.NewHistory(&broker.State{Phase: broker.Up, Since: time.Now(), Err: errors.New("it was away")})
		})
		defer r.close()
		r.submitOnline("a")
		r.takeRun(broker.Returned, wire.HostKey("a"), wire.DefaultMaxValidity)
		r.takeRun(broker.Returned, wire.InboxKey("a"), month)
		p := r.takeRun(broker.Routed, wire.HostKey("a"), wire.DefaultMaxValidity)
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, OK: true})
		r.expectNothing()
	})
}

// An inbox without a leader holds up the publisher to inboxes. Requests to host queues go on.
func TestRequestsToInboxesHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, func(d *Dispatcher) { d.inboxes.out = make(chan *broker.Publication) }) // nobody receives
		defer r.close()
		away := make([]string, 2*maxPrepared)
		for i := range away {
			away[i] = fmt.Sprintf("away%d", i)
		}
		r.submitOnline(away...)
		for range away {
			r.take(broker.Returned)
		}
		r.submit(0, "on")
		if p := r.take(broker.Routed); p.Key != wire.HostKey("on") {
			t.Errorf("a request to %s", p.Key)
		}
	})
}
