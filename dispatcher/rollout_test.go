package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/dispatcher/delivery"
	"warren/dispatcher/plan"
	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// rollout submits a task of so many hosts, by name: a, b, c …
func (r *rig) rollout(fanout, hosts int, plan model.Rollout) model.Task {
	r.t.Helper()
	spec := model.Spec{
		Command: "true", StartTimeout: time.Minute, Fanout: fanout, Rollout: &plan,
		Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
	}
	for i := range hosts {
		spec.Hosts = append(spec.Hosts, string(rune('a'+i)))
	}
	task, err := r.d.Submit(context.Background(), spec)
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

// ends takes the next request, which must be a run for that host, and ends it.
func (r *rig) ends(host string, ok bool) {
	r.t.Helper()
	job := r.runs(host)
	r.store.reply(job, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: ok})
	synctest.Wait()
}

func (r *rig) runs(host string) (job string) {
	r.t.Helper()
	p := r.take(broker.Routed)
	if p.Key != wire.HostKey(host) || p.Msg.Type != wire.TypeRun {
		r.t.Fatalf("%s to %s, want a run to %s", p.Msg.Type, p.Key, host)
	}
	return p.Msg.CorrelationId
}

// quietFor fails the test if anything is published within d.
func (r *rig) quietFor(d time.Duration) {
	r.t.Helper()
	select {
	case p := <-r.out:
		r.t.Fatalf("%s to %s too early", p.Msg.Type, p.Key)
	case <-time.After(d):
	}
}

// audited returns the hosts in the audit log, in order.
func (r *rig) audited() string { return strings.Join(r.hosts, "") }

// canceled returns the canceled hosts, and the reason that they share.
func (r *rig) canceled() (hosts, reason string) {
	r.t.Helper()
	jobs, _ := r.store.Jobs(context.Background(), r.store.task)
	for _, j := range jobs {
		if j.Outcome != wire.Canceled {
			continue
		}
		if hosts != "" && reason != j.Reason {
			r.t.Errorf("%s: %q, want %q", j.Host, j.Reason, reason)
		}
		hosts, reason = hosts+j.Host, j.Reason
	}
	return hosts, reason
}

func (r *rig) events() string {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	var out []string
	for _, m := range r.store.rollout.Events {
		out = append(out, m.Kind)
	}
	return strings.Join(out, " ")
}

// paused is the event by which the rollout is paused.
func (r *rig) paused() *model.Event {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return r.store.rollout.Pause()
}

// The next stage begins when each job of the last has ended and the soak has passed. It
// gets a new signature if the old statement is too old.
func TestRolloutBeginsStageAfterSoak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(0, 6, model.Rollout{Stages: []int{1, 3, 6}, Soak: 10 * time.Minute})
		if r.audited() != "a" {
			t.Errorf("the audit log has %s", r.audited())
		}
		first := r.runs("a")
		r.store.reply(first, results.Progress{State: model.Running})
		r.quietFor(delivery.FirstStatusInterval - time.Second)
		r.store.reply(first, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.quietFor(10*time.Minute - time.Second)
		r.takeResigned()
		if r.audited() != "abc" {
			t.Errorf("the audit log has %s", r.audited())
		}
		second := r.take(broker.Returned) // unreachable: a failure, but none that is said to be allowed
		if second.Key != wire.HostKey("c") && second.Key != wire.HostKey("b") {
			t.Errorf("the second stage went to %s", second.Key)
		}
		r.expectNothing()
		hosts, reason := r.canceled()
		if hosts != "def" || reason != "rollout stopped: 1 failed, 0 allowed; never sent" {
			t.Errorf("%s: %q", hosts, reason)
		}
		if got := r.events(); got != "begun ended begun stopped" {
			t.Errorf("moves: %s", got)
		}
		if err := r.d.Settled(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestRolloutRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(1, 4, model.Rollout{Stages: []int{1, 4}, MaxFailures: 1})
		r.ends("a", true)
		r.ends("b", false) // allowed
		r.ends("c", true)
		r.ends("d", true)
		r.expectNothing()
		if hosts, _ := r.canceled(); hosts != "" {
			t.Errorf("canceled: %s", hosts)
		}
		if got := r.events(); got != "begun ended begun" {
			t.Errorf("moves: %s", got)
		}
		if r.audited() != "abcd" {
			t.Errorf("the audit log has %s", r.audited())
		}
	})
}

// Too many failures within a stage stop the rest of that stage too. Jobs under way go on.
func TestRolloutStopsWithinAStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(2, 6, model.Rollout{Stages: []int{6}, MaxFailures: 1})
		a, b := r.take(broker.Routed).Msg.CorrelationId, r.take(broker.Routed).Msg.CorrelationId
		r.store.reply(b, results.Progress{State: model.Running})
		r.store.reply(a, results.Progress{State: model.Ended, Outcome: wire.TimedOut})
		r.store.reply(r.runs("c"), results.Progress{State: model.Ended, Outcome: wire.Interrupted})
		synctest.Wait()
		if hosts, _ := r.canceled(); hosts != "def" {
			t.Errorf("canceled: %s", hosts)
		}
		r.store.reply(b, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.expectNothing()
	})
}

// Lost and unreachable jobs count as failures.
func TestRolloutCountsLostAndUnreachableAsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(0, 2, model.Rollout{Stages: []int{1, 2}})
		timeout := time.After(24 * time.Hour)
		for done := false; !done; {
			select {
			case p := <-r.out:
				if p.Key != wire.HostKey("a") {
					t.Errorf("%s to %s", p.Msg.Type, p.Key)
				}
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			case <-timeout:
				done = true
			}
		}
		if hosts, reason := r.canceled(); hosts != "b" {
			t.Errorf("canceled: %s, %q", hosts, reason)
		}
	})
}

// A cancel waits neither for a stage's end nor for the soak.
func TestCancelStopsRolloutAtAnyTime(t *testing.T) {
	for name, stop := range map[string]func(*rig, model.Task) error{
		"cancel": func(r *rig, t model.Task) error { return r.d.Cancel(context.Background(), t) },
		"halt": func(r *rig, t model.Task) error {
			ours, err := r.d.Halt(context.Background(), t.ID)
			if !ours {
				return errors.New("not ours")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				task := r.rollout(0, 3, model.Rollout{Stages: []int{1, 3}, Soak: time.Hour})
				r.ends("a", true)
				r.quietFor(time.Minute)
				if err := stop(r, task); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				hosts, reason := r.canceled()
				if hosts != "bc" {
					t.Errorf("canceled: %s", hosts)
				}
				want := map[string]string{"cancel": "canceled before it was sent", "halt": "rollout stopped by its operator; never sent"}
				if reason != want[name] {
					t.Errorf("reason %q", reason)
				}
				r.expectNothing()
			})
		})
	}
}

// Halt lets jobs under way go on. A later cancel still ends them.
func TestHaltThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.rollout(0, 2, model.Rollout{Stages: []int{1, 2}})
		a := r.runs("a")
		r.store.reply(a, results.Progress{State: model.Running})
		synctest.Wait()
		for range 2 { // a second time means nothing
			if _, err := r.d.Halt(context.Background(), task.ID); err != nil {
				t.Fatal(err)
			}
		}
		r.quietFor(time.Second)
		if err := r.d.Cancel(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		if p := r.take(broker.Routed); p.Msg.Type != wire.TypeCancel || p.Msg.CorrelationId != a {
			t.Errorf("%s for %s", p.Msg.Type, p.Msg.CorrelationId)
		}
		r.store.reply(a, results.Progress{State: model.Ended, Outcome: wire.Canceled})
		r.expectNothing()
	})
}

// Another process cancels the task while this one soaks.
func TestRolloutStopsWhenAnotherProcessCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(0, 2, model.Rollout{Stages: []int{1, 2}, Soak: time.Hour})
		r.ends("a", true)
		if err := r.store.SetControl(context.Background(), r.store.task, model.ControlCancel); err != nil {
			t.Fatal(err)
		}
		r.quietFor(2 * controlPollInterval)
		if err := r.d.Settled(context.Background(), ""); err != nil { // the operator may leave before the soak is over
			t.Error(err)
		}
		if hosts, reason := r.canceled(); hosts != "b" || reason != "canceled before it was sent" {
			t.Errorf("%s: %q", hosts, reason)
		}
	})
}

// No stage begins if the audit log cannot be written.
func TestRolloutStopsWithoutAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.rollout(0, 2, model.Rollout{Stages: []int{1, 2}})
		r.noAudit = hint.New("disk full", "make room")
		r.ends("a", true)
		r.expectNothing()
		if hosts, reason := r.canceled(); hosts != "b" || reason != "rollout stopped: the audit log: disk full; never sent" {
			t.Errorf("%s: %q", hosts, reason)
		}
	})
}

// A process that adopts a rollout sends nothing: the rollout is paused. The jobs of stages that
// have begun get a status.
func TestAdoptedRolloutSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.rollout(1, 5, model.Rollout{Stages: []int{2, 5}})
		r.store.reply(r.runs("a"), results.Progress{State: model.Running})
		synctest.Wait()
		r.close() // b is in the stage, and got no request
		task.Rollout = new(r.store.rollout)

		r = newRigOn(t, r.store)
		defer r.close()
		if ours, err := r.d.Adopt(context.Background(), task); err != nil || !ours {
			t.Fatal(ours, err)
		}
		synctest.Wait()
		if hosts, _ := r.canceled(); hosts != "" {
			t.Errorf("canceled: %s", hosts)
		}
		if got := r.events(); got != "begun paused" || r.paused().Begun != 2 {
			t.Errorf("moves: %s, %+v", got, r.paused())
		}
		stop := time.After(24 * time.Hour)
		for done := false; !done; {
			select {
			case p := <-r.out:
				if p.Msg.Type != wire.TypeStatus || p.Key != wire.HostKey("a") && p.Key != wire.HostKey("b") {
					t.Errorf("%s to %s", p.Msg.Type, p.Key)
				}
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			case <-stop:
				done = true
			}
		}
	})
}

// A question about a job of a later stage names the statement that brought the job, not
// the first one, also from another process.
func TestQuestionNamesStatementOfItsStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.rollout(0, 3, model.Rollout{Stages: []int{1, 3}, Soak: 10 * time.Minute})
		a := r.runs("a")
		r.store.reply(a, results.Progress{State: model.Ended, Outcome: wire.Exited, OK: true})
		r.store.mu.Lock()
		r.store.jobs[a].State = model.Ended
		r.store.mu.Unlock()
		sent := map[string]wire.Statement{}
		for range 2 {
			req := decode(t, r.take(broker.Routed))
			sent[req.Leaf.Job] = req.Statement
		}
		asked := func(r *rig, typ string) {
			t.Helper()
			req := decode(t, r.take(broker.Routed))
			run := sent[req.Leaf.Job]
			if want := (wire.Target{IssuedAt: run.IssuedAt, NotAfter: run.NotAfter}); req.Statement.Type != typ || *req.Statement.Of != want {
				t.Errorf("%s of %+v, want %s of %+v", req.Statement.Type, *req.Statement.Of, typ, want)
			}
			if typ == wire.TypeCancel && req.Statement.NotAfter < run.NotAfter {
				t.Error("the cancel is not valid for as long as its run")
			}
		}
		for req := range sent {
			r.store.reply(req, results.Progress{State: model.Running})
		}
		synctest.Wait()
		if err := r.d.Cancel(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		asked(r, wire.TypeCancel)
		asked(r, wire.TypeCancel)
		r.close()

		task.Rollout = new(r.store.rollout)
		r = newRigOn(t, r.store)
		defer r.close()
		if ours, err := r.d.Adopt(context.Background(), task); err != nil || !ours {
			t.Fatal(ours, err)
		}
		asked(r, wire.TypeStatus)
		asked(r, wire.TypeStatus)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		left := make(chan error, 1)
		go func() {
			left <- r.d.query(ctx, task, wire.TypeStatus, func(j *model.Job) bool { return j.State != model.Ended })
		}()
		asked(r, wire.TypeStatus)
		asked(r, wire.TypeStatus)
		<-left
	})
}

func decode(t *testing.T, p *broker.Publication) *wire.Request {
	t.Helper()
	req, err := wire.DecodeRequest(p.Msg.Body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestStagesMustAscendToAllHosts(t *testing.T) {
	for _, stages := range [][]int{{}, {0, 3}, {2, 2, 3}, {3, 1}, {1, 2}, {1, 4}} {
		if err := plan.Check(&model.Rollout{Stages: stages}, 3); err == nil {
			t.Errorf("stages %v of 3 hosts are accepted", stages)
		}
	}
}
