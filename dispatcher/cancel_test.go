package dispatcher

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/dispatcher/delivery"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// takesCancel answers cancels of a job until its agent has one of them.
func (r *rig) takesCancel(job string, kinds ...broker.Kind) {
	r.t.Helper()
	for _, k := range kinds {
		if p := r.take(k); p.Msg.Type != wire.TypeCancel || p.Msg.CorrelationId != job {
			r.t.Fatalf("published %s for %s, want a cancel", p.Msg.Type, p.Msg.CorrelationId)
		}
	}
	r.store.reply(job, results.Progress{State: model.Ended, Outcome: wire.Exited})
}

// A cancel of another process is for the hosts that have not had their turn, and it is repeated: the
// first may be lost.
func TestCancelOfAnotherProcessIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit(1, "a", "b")
		job := r.take(broker.Routed).Msg.CorrelationId
		r.store.reply(job, results.Progress{State: model.Running})
		synctest.Wait()
		if err := r.store.SetControl(context.Background(), r.store.task, model.ControlCancel); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r.takesCancel(job, broker.Routed, broker.Unconfirmed, broker.Routed)
		if took := time.Since(began); took > controlPollInterval+delivery.FirstRepeatDelay+time.Minute {
			t.Errorf("it took %v", took)
		}
		r.expectNothing()
		if hosts, reason := r.canceled(); hosts != "b" || reason != delivery.CanceledUnsent {
			t.Errorf("never sent: %q, %q", hosts, reason)
		}
	})
}

// A cancel of another process's task does not wait for agents, which may be away.
func TestCancelOfAnothersTaskWaitsForNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, _ := r.leaveTask()
		canceled := make(chan error, 1)
		go func() { canceled <- r.d.Cancel(context.Background(), task) }()
		r.take(broker.Routed)
		r.take(broker.Returned)
		select {
		case err := <-canceled:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Hour):
			t.Fatal("it waits for an answer")
		}
	})
}

// A command that fills the disk can be canceled.
func TestCancelOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.submit(1, "a", "b")
		job := r.take(broker.Routed).Msg.CorrelationId
		r.store.reply(job, results.Progress{State: model.Running})
		synctest.Wait()
		r.store.mu.Lock()
		r.store.full = 1_000_000
		r.store.mu.Unlock()
		if err := r.d.Cancel(context.Background(), task); err == nil || !strings.Contains(err.Error(), "the cancel was sent, but could not be recorded: disk full") {
			t.Errorf("canceled: %v", err)
		}
		r.takesCancel(job, broker.Routed)
		synctest.Wait()
		if hosts, _ := r.canceled(); hosts != "" {
			t.Errorf("the disk is full, and has that %s is canceled", hosts)
		}
		r.store.mu.Lock()
		r.store.full = 0
		r.store.mu.Unlock()
		r.expectNothing()
		if hosts, _ := r.canceled(); hosts != "b" {
			t.Errorf("canceled: %q", hosts)
		}
	})
}
