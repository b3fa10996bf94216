package dispatcher

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const verifyTimeout = 5 * time.Minute

// verifies takes a request of the verify command, and ends its job.
func (r *rig) verifies(host string, ok bool) {
	r.t.Helper()
	p := r.take(broker.Routed)
	req := decode(r.t, p)
	if p.Key != wire.HostKey(host) || p.Msg.Type != wire.TypeRun || req.Statement.Run.Command != "check" || req.Statement.Run.TimeoutMS != verifyTimeout.Milliseconds() {
		r.t.Fatalf("%s %+v to %s, want the verify command to %s", p.Msg.Type, req.Statement.Run, p.Key, host)
	}
	r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: ok})
	synctest.Wait()
}

func verified(stages ...int) model.Rollout {
	return model.Rollout{Stages: stages, Soak: time.Minute, Verify: "check", VerifyTimeout: verifyTimeout}
}

// The verify command runs after the soak of each stage, the last included, on the hosts where
// the command has succeeded. Until then the task is not done, and its process must not end.
func TestStagesAreVerifiedAfterSoak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		plan := verified(2, 3)
		plan.MaxFailures = 1
		task := r.rollout(1, 3, plan)
		r.ends("a", true)
		r.ends("b", false)
		r.quietFor(59 * time.Second)
		r.verifies("a", true)
		r.ends("c", true)
		if task := r.find(task.ID); task.Summary.Ended != 3 || task.Done() {
			t.Errorf("done before it is verified: %+v", task.Summary)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.d.Settled(ctx, ""); err == nil {
			t.Error("settled before it is verified")
		}
		r.verifies("c", true)
		r.expectNothing()
		if task := r.find(task.ID); !task.Done() || task.OK() {
			t.Errorf("%+v", task)
		}
		if err := r.d.Settled(context.Background(), ""); err != nil {
			t.Error(err)
		}
		if got := r.events(); got != "begun ended verifying verified begun ended verifying verified" {
			t.Errorf("moves: %s", got)
		}
	})
}

func TestFailedVerifyCountsAsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(1, 3, verified(2, 3))
		r.ends("a", true)
		r.ends("b", true)
		r.verifies("a", false)
		r.verifies("b", true)
		r.expectNothing()
		if hosts, reason := r.canceled(); hosts != "c" || reason != "rollout stopped: 1 failed, 0 allowed; never sent" {
			t.Errorf("%s: %q", hosts, reason)
		}
	})
}

// A verify command whose host never answers ends as lost.
func TestSilentVerifyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		plan := verified(1, 2)
		plan.OnFailure = model.OnFailurePause
		r.rollout(0, 2, plan)
		r.ends("a", true)
		started := r.take(broker.Routed)
		r.store.reply(started.Msg.CorrelationId, results.Progress{State: model.Running})
		began := time.Now()
		for stop := time.After(24 * time.Hour); r.paused() == nil; synctest.Wait() {
			select {
			case p := <-r.out:
				if p.Key != wire.HostKey("a") {
					t.Fatalf("%s to %s", p.Msg.Type, p.Key)
				}
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			case <-time.After(time.Second):
			case <-stop:
				t.Fatal("the verify command never ended")
			}
		}
		if took := time.Since(began); took > verifyTimeout+2*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// A process that resumes a rollout while a stage is being verified sends no verify command
// again.
func TestResumedRolloutKeepsItsVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.rollout(0, 2, verified(1, 2))
		r.withStatement(task.ID)
		r.ends("a", true)
		verify := r.take(broker.Routed)
		r.close()
		r = newRigOn(t, r.store)
		defer r.close()
		r.resume(task.ID)
		if p := r.take(broker.Routed); p.Msg.Type != wire.TypeStatus || p.Msg.CorrelationId != verify.Msg.CorrelationId {
			t.Fatalf("%s to %s", p.Msg.Type, p.Key)
		}
		r.store.reply(verify.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.ends("b", true)
		r.verifies("b", true)
		r.expectNothing()
		if got := r.events(); got != "begun ended verifying resumed verified begun ended verifying verified" {
			t.Errorf("moves: %s", got)
		}
	})
}

// A cancel during the verification ends the rollout and cancels the verify command.
func TestCancelEndsVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(0, 1, verified(1))
		r.ends("a", true)
		verify := r.take(broker.Routed)
		r.store.reply(verify.Msg.CorrelationId, results.Progress{State: model.Running})
		synctest.Wait()
		if err := r.d.Cancel(context.Background(), r.find(task.ID)); err != nil {
			t.Fatal(err)
		}
		if p := r.take(broker.Routed); p.Msg.Type != wire.TypeCancel || p.Msg.CorrelationId != verify.Msg.CorrelationId {
			t.Errorf("%s to %s", p.Msg.Type, p.Key)
		}
		r.store.reply(verify.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Canceled})
		r.expectNothing()
		if task := r.find(task.ID); !task.Done() || task.OK() {
			t.Errorf("done: %t, ok: %t", task.Done(), task.OK())
		}
	})
}
