package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"warren/dispatcher/delivery"
	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// A testSigner counts what it signs, by type, or fails.
type testSigner struct {
	mu      sync.Mutex
	signed  map[string]int
	tries   int
	fails   error
	takes   time.Duration
	notices []string
}

func (s *testSigner) wire(d *Dispatcher) {
	d.signer.key = func(_ context.Context, statement []byte) (string, error) {
		s.mu.Lock()
		s.tries++
		takes := s.takes
		s.mu.Unlock()
		time.Sleep(takes) // of the test's virtual time
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fails != nil {
			return "", s.fails
		}
		_, typ, _ := strings.Cut(string(statement), `"type":"`)
		typ, _, _ = strings.Cut(typ, `"`)
		s.signed[typ]++
		return "U0lH", nil
	}
	d.notify = func(notice error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.notices = append(s.notices, hint.Text(notice))
	}
}

func (s *testSigner) fail(err error, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.takes, s.tries = err, takes, 0
}

// said returns what has been signed, by type, the number of attempts, and the notices.
func (s *testSigner) said() (signed map[string]int, tries int, notices []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.signed), s.tries, slices.Clone(s.notices)
}

func signingRig(t *testing.T, touch bool) (*rig, *testSigner) {
	s := &testSigner{signed: map[string]int{}}
	return newRigWith(t, func(d *Dispatcher) {
		s.wire(d)
		d.signer.touch = touch
	}), s
}

func TestTaskIsSignedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		r.submit(0, "a", "b", "c")
		for range 3 {
			p := r.take(broker.Routed)
			req, err := wire.DecodeRequest(p.Msg.Body)
			if err != nil || req.Signature != "U0lH" {
				t.Errorf("%v %+v", err, req)
			}
			r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended})
		}
		r.expectNothing()
		if signed, _, _ := s.said(); fmt.Sprint(signed) != "map[run:1]" {
			t.Errorf("signed %v", signed)
		}
	})
}

// An unsigned task is not sent, not stored, and in no audit log.
func TestUnsignedTaskIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		s.fail(hint.New("no such key", "make one"), 0)
		_, err := r.d.Submit(context.Background(), model.Spec{
			Command: "true", Hosts: []string{"a"}, StartTimeout: time.Minute, Run: wire.Run{Command: "true", TimeoutMS: 1000},
		})
		if err == nil || !strings.HasSuffix(hint.Text(err), "no such key\nhint: make one") || !strings.HasPrefix(hint.Text(err), "the task was not sent: ") {
			t.Errorf("%v", err)
		}
		if err := r.d.Discover(context.Background()); err == nil || !strings.HasSuffix(hint.Text(err), "make one") {
			t.Errorf("discover: %v", err)
		}
		if len(r.audit) > 0 || len(r.store.jobs) > 0 {
			t.Errorf("audited %v, stored %v", r.audit, r.store.jobs)
		}
		r.expectNothing()
	})
}

// A later window whose statement cannot be signed waits for the key, and the operator
// gets one notice. It goes on when the key is back.
func TestWindowWaitsForItsSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		r.submit(2, "a", "b", "c", "d")
		first, second := r.take(broker.Routed), r.take(broker.Routed)
		for range 2 {
			r.store.reply(first.Msg.CorrelationId, results.Progress{State: model.Running})
			r.store.reply(second.Msg.CorrelationId, results.Progress{State: model.Running})
			time.Sleep(delivery.FirstStatusInterval - time.Second)
		}
		s.fail(errors.New("ssh-agent does not answer"), 0)
		r.store.reply(first.Msg.CorrelationId, results.Progress{State: model.Ended})
		r.store.reply(second.Msg.CorrelationId, results.Progress{State: model.Ended})
		select {
		case p := <-r.out:
			t.Fatalf("unsigned, and sent: %s", p.Msg.Type)
		case <-time.After(3 * delivery.SignRetryDelay / 2):
		}
		if _, _, notices := s.said(); len(notices) != 1 || !strings.Contains(notices[0], "a run is not sent: signing the statement: ssh-agent does not answer") {
			t.Errorf("notices %q", notices)
		}
		s.fail(nil, 0)
		for range 2 {
			r.takeResigned()
		}
		r.expectNothing()
		if signed, _, _ := s.said(); signed[wire.TypeRun] != 2 {
			t.Errorf("signed %v", signed)
		}
	})
}

// If the key does not come back, the remaining hosts never get the job, and the reason
// says so.
func TestJobIsUnreachableWhenItsRunIsNeverSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		task := r.submit(1, "a", "b")
		p := r.take(broker.Routed)
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Running})
		time.Sleep(delivery.FirstStatusInterval - time.Second)
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Running})
		time.Sleep(delivery.FirstStatusInterval - time.Second)
		s.fail(errors.New("ssh-agent does not answer"), 0)
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended})
		r.expectNothing()
		jobs, _ := r.store.Jobs(context.Background(), task.ID)
		if jobs[1].Outcome != wire.Unreachable || jobs[1].Reason != "its request could not be signed in time; never sent" {
			t.Errorf("%q %q", jobs[1].Outcome, jobs[1].Reason)
		}
	})
}

// A silent job is lost if no question can be signed, and the reason says both.
func TestSilentJobIsLostWhenQuestionsCannotBeSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		task := r.submit(0, "a")
		p := r.take(broker.Routed)
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Running})
		time.Sleep(time.Second)
		s.fail(errors.New("ssh-agent does not answer"), 0)
		r.expectNothing()
		jobs, _ := r.store.Jobs(context.Background(), task.ID)
		if jobs[0].Outcome != wire.Lost || !strings.Contains(jobs[0].Reason, "could not be signed") {
			t.Errorf("%q %q", jobs[0].Outcome, jobs[0].Reason)
		}
		if _, _, notices := s.said(); len(notices) != 1 {
			t.Errorf("notices %q", notices)
		}
	})
}

// An hour of a silent task costs at most two touches. If the operator does not touch the
// key, the next request for a touch comes minutes later.
func TestTouchIsRequestedRarely(t *testing.T) {
	t.Run("given", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, s := signingRig(t, true)
			defer r.close()
			s.fail(nil, 5*time.Second)
			hosts := []string{"a", "b", "c"}
			_, err := r.d.Submit(context.Background(), model.Spec{
				Command: "true", Hosts: hosts, StartTimeout: time.Minute,
				Run: wire.Run{Command: "true", TimeoutMS: (2 * time.Hour).Milliseconds()},
			})
			if err != nil {
				t.Fatal(err)
			}
			for range hosts {
				r.store.reply(r.take(broker.Routed).Msg.CorrelationId, results.Progress{State: model.Running})
			}
			asked := 0
			for end := time.After(time.Hour); asked >= 0; {
				select {
				case p := <-r.out:
					p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
					asked++
				case <-end:
					if signed, _, _ := s.said(); asked < 10 || signed[wire.TypeStatus] > 2 {
						t.Errorf("%d questions, signed %v", asked, signed)
					}
					asked = -1
				}
			}
		})
	})
	t.Run("not given", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, s := signingRig(t, true)
			defer r.close()
			r.submit(0, "a", "b", "c")
			for range 3 {
				r.store.reply(r.take(broker.Routed).Msg.CorrelationId, results.Progress{State: model.Running})
			}
			s.fail(errors.New("nobody has touched it"), time.Minute)
			time.Sleep(5 * time.Minute)
			if _, tries, _ := s.said(); tries < 1 || tries > 2 {
				t.Errorf("%d times asked for a touch within five minutes", tries)
			}
		})
	})
}

// Repeated queries use one signature while it is valid.
func TestAskReusesItsSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		task, jobs := r.leaveTask()
		r.store.mu.Lock()
		for id := range r.store.jobs { // their output is what is asked for
			r.store.jobs[id].State = model.Running
		}
		r.store.mu.Unlock()
		for range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			go func() {
				for {
					select {
					case p := <-r.out:
						p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
					case <-ctx.Done():
						return
					}
				}
			}()
			if err := r.d.query(ctx, task, wire.TypeStatus, func(*model.Job) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			cancel()
		}
		if signed, _, _ := s.said(); signed[wire.TypeStatus] != 1 {
			t.Errorf("signed %v", signed)
		}
		time.Sleep(questionTTL)
		_, err := r.d.cachedQuestion(context.Background(), questionOf(wire.TypeStatus, task.ID, jobs[0].Signed), jobs)
		if signed, _, _ := s.said(); err != nil || signed[wire.TypeStatus] != 2 {
			t.Errorf("%v, signed %v", err, signed)
		}
	})
}
