package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// find returns the task as the store has it.
func (r *rig) find(id string) model.Task {
	r.t.Helper()
	t, err := r.store.Find(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *rig) resume(id string) {
	r.t.Helper()
	if err := r.d.Resume(context.Background(), r.find(id)); err != nil {
		r.t.Fatal(err)
	}
}

// withStatement has the store keep the statement of the task.
func (r *rig) withStatement(id string) { r.store.statement = r.find(id).Statement }

func (r *rig) pause(id string) {
	r.t.Helper()
	if err := r.d.Pause(context.Background(), r.find(id)); err != nil {
		r.t.Fatal(err)
	}
	r.quietFor(2 * controlPollInterval)
}

// A pause by any process begins no further job. Any process resumes the rollout, where it
// was paused.
func TestPausedRolloutIsResumedByAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(1, 4, model.Rollout{Stages: []int{1, 4}})
		r.withStatement(task.ID)
		r.ends("a", true)
		b := r.runs("b")
		r.store.reply(b, results.Progress{State: model.Running})
		other := newRigOn(t, r.store)
		defer other.close()
		other.pause(task.ID)
		r.store.reply(b, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.quietFor(time.Hour)
		if hosts, _ := r.canceled(); hosts != "" {
			t.Errorf("canceled: %s", hosts)
		}
		if got := r.events(); got != "begun ended begun paused" || r.paused().Begun != 2 {
			t.Errorf("moves: %s, %+v", got, r.paused())
		}
		if err := r.d.Settled(context.Background(), ""); err != nil { // the operator may leave
			t.Error(err)
		}
		other.resume(task.ID)
		other.ends("c", true)
		other.ends("d", true)
		other.expectNothing()
		r.quietFor(time.Minute)
		if got := r.events(); got != "begun ended begun paused resumed" {
			t.Errorf("moves: %s", got)
		}
		if other.audited() != "" { // the stage is in the audit log
			t.Errorf("the audit log has %s", other.audited())
		}
	})
}

// After a kill, jobs that may have been sent get a status; the others get a run.
func TestRolloutOfKilledProcessIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.rollout(0, 4, model.Rollout{Stages: []int{2, 4}, Soak: time.Minute})
		r.withStatement(task.ID)
		first := r.take(broker.Routed).Msg.CorrelationId
		r.take(broker.Routed)
		r.store.reply(first, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		synctest.Wait()
		r.close()

		r = newRigOn(t, r.store)
		defer r.close()
		r.resume(task.ID)
		status := r.take(broker.Routed)
		if status.Msg.Type != wire.TypeStatus || status.Msg.CorrelationId == first {
			t.Fatalf("%s of %s", status.Msg.Type, status.Key)
		}
		r.store.reply(status.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.quietFor(59 * time.Second)
		sent := map[string]bool{}
		for range 2 {
			p := r.take(broker.Routed)
			if p.Msg.Type != wire.TypeRun {
				t.Errorf("%s to %s", p.Msg.Type, p.Key)
			}
			sent[p.Key] = true
			r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		}
		if !sent[wire.HostKey("c")] || !sent[wire.HostKey("d")] {
			t.Errorf("sent to %v", sent)
		}
		r.expectNothing()
		if got := r.events(); got != "begun resumed ended begun" {
			t.Errorf("moves: %s", got)
		}
		if r.audited() != "cd" {
			t.Errorf("the audit log has %s", r.audited())
		}
	})
}

// Of processes that resume a rollout at once, one sends.
func TestOneOfTwoProcessesResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.rollout(0, 3, model.Rollout{Stages: []int{1, 3}, Soak: time.Hour})
		r.withStatement(task.ID)
		r.ends("a", true)
		r.close()
		record := r.find(task.ID) // what all of them have read
		rigs, won := []*rig{newRigOn(t, r.store), newRigOn(t, r.store), newRigOn(t, r.store)}, 0
		for _, r := range rigs {
			defer r.close()
			switch err := r.d.Resume(context.Background(), record); {
			case err == nil:
				won++
			case !errors.Is(err, ErrTaken):
				t.Error(err)
			}
		}
		runs := map[string]int{}
		stop := time.After(2 * time.Hour)
		for done := false; !done; {
			var p *broker.Publication
			select {
			case p = <-rigs[0].out:
			case p = <-rigs[1].out:
			case p = <-rigs[2].out:
			case <-stop:
				done = true
				continue
			}
			if p.Msg.Type == wire.TypeRun {
				runs[p.Key]++
			}
			p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		}
		if won != 1 || runs[wire.HostKey("b")] != 1 || runs[wire.HostKey("c")] != 1 || len(runs) != 2 {
			t.Errorf("%d processes have resumed; runs: %v", won, runs)
		}
		if err := rigs[0].d.Resume(context.Background(), r.find(task.ID)); err == nil || errors.Is(err, ErrTaken) {
			t.Errorf("a rollout that is done was resumed: %v", err)
		}
	})
}

// With on-failure pause, too many failures pause the rollout; they no longer count once it
// is resumed.
func TestRolloutPausesAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(1, 4, model.Rollout{Stages: []int{2, 4}, OnFailure: model.OnFailurePause})
		r.withStatement(task.ID)
		r.ends("a", false)
		r.quietFor(time.Hour)
		if got := r.paused(); got == nil || got.Reason != "rollout paused: 1 failed, 0 allowed" || got.Failed != 1 || got.Hosts != 3 {
			t.Fatalf("%+v", got)
		}
		r.resume(task.ID)
		r.ends("b", true)
		r.ends("c", false)
		r.quietFor(time.Hour)
		if got := r.paused(); got == nil || got.Reason != "rollout paused: 1 failed, 0 allowed" || got.Failed != 2 {
			t.Fatalf("%+v", got)
		}
		r.resume(task.ID)
		r.ends("d", true)
		r.expectNothing()
	})
}

func TestResumeIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(r *rig, id string)
		want    string
	}{
		"canceled": {func(r *rig, id string) {
			_ = r.d.Cancel(context.Background(), r.find(id))
		}, "was canceled"},
		"another key": {func(r *rig, _ string) {
			r.d.fingerprint = func() string { return "SHA256:other" }
		}, "signed by another key"},
		"secrets": {func(r *rig, _ string) {
			r.store.statement = strings.Replace(r.store.statement, `"run":{`, `"run":{"secret_hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`, 1)
		}, "has secrets, which only the process that started it knows"},
		"push": {func(r *rig, _ string) {
			run := `"run":{"push":{"path":"/a","manifest":"e30=","manifest_size":2,"digest":"RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=","size":1},` +
				`"secret_hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`
			r.store.statement = strings.NewReplacer(`"run":{"command":"true",`, run).Replace(r.store.statement)
		}, "is a push, and only the process that started it has the content"},
		"driven": {func(r *rig, _ string) {
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			r.store.alive["lease0"] = true
		}, "is not paused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				task := r.rollout(0, 2, model.Rollout{Stages: []int{1, 2}, Soak: time.Hour})
				r.withStatement(task.ID)
				r.ends("a", true)
				r.close()
				r = newRigOn(t, r.store)
				defer r.close()
				test.prepare(r, task.ID)
				if err := r.d.Resume(context.Background(), r.find(task.ID)); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				r.expectNothing()
			})
		})
	}
}

// The process that has the secrets resumes the rollout with them.
func TestRolloutIsResumedWithItsSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, err := r.d.Submit(context.Background(), model.Spec{
			Command: "true", Hosts: []string{"a", "b"}, StartTimeout: time.Minute, Secret: &wire.Secret{Env: []string{"TOKEN=hunter2"}},
			Rollout: &model.Rollout{Stages: []int{1, 2}, Soak: time.Minute}, Run: wire.Run{Command: "true", TimeoutMS: 1000},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.withStatement(task.ID)
		r.ends("a", true)
		r.pause(task.ID)
		r.quietFor(time.Hour)
		r.resume(task.ID)
		if req := decode(t, r.take(broker.Routed)); req.Secret == nil || req.Secret.Env[0] != "TOKEN=hunter2" {
			t.Errorf("%+v", req.Secret)
		}
	})
}

// A cancel ends a paused rollout, also from a process that does not drive it.
func TestCancelEndsPausedRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(0, 3, model.Rollout{Stages: []int{1, 3}, Soak: time.Hour})
		r.ends("a", true)
		r.pause(task.ID)
		other := newRigOn(t, r.store)
		defer other.close()
		if err := other.d.Cancel(context.Background(), r.find(task.ID)); err != nil {
			t.Fatal(err)
		}
		if hosts, reason := r.canceled(); hosts != "bc" || reason != "canceled before it was sent" {
			t.Errorf("%s: %q", hosts, reason)
		}
		other.expectNothing()
		if got := r.events(); got != "begun ended paused stopped" {
			t.Errorf("moves: %s", got)
		}
	})
}
