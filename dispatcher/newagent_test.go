package dispatcher

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// postponed submits a job with a secret to a host whose agent is new, and returns its first
// request.
func (r *rig) postponed(since time.Time) *wire.Request {
	r.t.Helper()
	_, err := r.d.Submit(context.Background(), model.Spec{
		Command: "true", Hosts: []string{"a"}, StartTimeout: time.Minute, Secret: &wire.Secret{Env: []string{"TOKEN=hunter2"}},
		Run: wire.Run{Command: "true", TimeoutMS: 1000},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := wire.DecodeRequest(r.take(broker.Routed).Msg.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.store.reply(req.Leaf.Job, results.Progress{State: model.Sent, Forgotten: true, Since: since.UnixMilli()})
	synctest.Wait()
	return req
}

func TestPostponedJobIsSignedAgainWithItsSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		since := time.Now().Add(30 * time.Second)
		first := r.postponed(since)
		select {
		case p := <-r.out:
			t.Fatalf("published %s before the agent takes it", p.Msg.Type)
		case <-time.After(29 * time.Second):
		}
		pending := func(u results.Update) bool {
			return u.Wait == model.WaitNewAgent && u.Reason == "begins at "+since.Local().Format(time.TimeOnly)
		}
		r.store.mu.Lock()
		updates := slices.Clone(r.store.updates)
		r.store.mu.Unlock()
		if !slices.ContainsFunc(updates, pending) {
			t.Errorf("not stored as pending: %+v", updates)
		}
		p := r.take(broker.Routed)
		second, err := wire.DecodeRequest(p.Msg.Body)
		if err != nil {
			t.Fatal(err)
		}
		if second.Leaf.Job != first.Leaf.Job || second.Statement.IssuedAt < since.UnixMilli() || p.Msg.Headers[wire.HeaderAttempt] != int32(1) {
			t.Errorf("second request %+v %+v", second.Leaf, second.Statement)
		}
		if second.Secret == nil || second.Secret.Env[0] != "TOKEN=hunter2" {
			t.Errorf("secret %+v", second.Secret)
		}
		r.store.mu.Lock()
		j := *r.store.jobs[first.Leaf.Job]
		r.store.mu.Unlock()
		if j.Signed.Issued.UnixMilli() != second.Statement.IssuedAt || string(j.Digest) != string(second.Digest[:]) {
			t.Errorf("the store has %+v", j)
		}
		r.store.reply(first.Leaf.Job, results.Progress{State: model.Ended, OK: true})
	})
}

// A new agent has no job that another process's cancel could reach.
func TestCancelByAnotherProcessEndsPostponedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		req := r.postponed(time.Now().Add(30 * time.Second))
		if err := r.store.SetControl(context.Background(), r.store.task, model.ControlCancel); err != nil {
			t.Fatal(err)
		}
		select {
		case p := <-r.out:
			t.Errorf("published %s", p.Msg.Type)
		case <-time.After(time.Minute):
		}
		if o := r.store.outcome(req.Leaf.Job); o != wire.Canceled {
			t.Errorf("outcome %q", o)
		}
	})
}
