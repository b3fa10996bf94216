package dispatcher

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestSimultaneousCallersShareOneSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := signingRig(t, false)
		defer r.close()
		task, jobs := r.leaveTask()
		s.fail(nil, time.Second)
		q := questionOf(wire.TypeStatus, task.ID, jobs[0].Signed)
		answers := make(chan error)
		for range 3 {
			go func() {
				_, err := r.d.cachedQuestion(context.Background(), q, jobs)
				answers <- err
			}()
		}
		for range 3 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if signed, _, _ := s.said(); signed[wire.TypeStatus] != 1 {
			t.Errorf("signed %v, want one status", signed)
		}
	})
}

// The caller that signs may fail or leave. Another caller then signs.
func TestWaitingCallerSignsAfterAnotherFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, jobs := r.leaveTask()
		calls, failure := make(chan chan error), errors.New("not touched")
		r.d.signer.key = func(context.Context, []byte) (string, error) {
			result := make(chan error)
			calls <- result
			return "U0lH", <-result
		}
		q := questionOf(wire.TypeStatus, task.ID, jobs[0].Signed)
		answers := make(chan error)
		for range 2 {
			go func() {
				_, err := r.d.cachedQuestion(context.Background(), q, jobs)
				answers <- err
			}()
		}
		first := <-calls
		synctest.Wait()
		first <- failure
		if err := <-answers; !errors.Is(err, failure) {
			t.Errorf("the first caller got %v", err)
		}
		(<-calls) <- nil
		if err := <-answers; err != nil {
			t.Errorf("the second caller got %v", err)
		}
	})
}

func TestQuestionCacheForgetsOldStatements(t *testing.T) {
	c := questionCache{}
	q := questionOf(wire.TypeStatus, "task", model.Signed{Issued: t0, NotAfter: t0.Add(time.Minute)})
	if a := c.lookup(q, t0); a.signing != nil || a.statement.batch != nil {
		t.Fatalf("empty cache: %+v", a)
	}
	waiting := c.lookup(q, t0)
	if waiting.signing == nil {
		t.Fatal("a second caller signs too")
	}
	c.signed(signature{q, signedStatement{batch: &wire.Batch{}, issuedAt: t0, notAfter: t0.Add(questionTTL)}})
	if !isClosed(waiting.signing) {
		t.Error("the second caller still waits")
	}
	if a := c.lookup(q, t0.Add(questionTTL/2)); a.statement.batch == nil {
		t.Error("a valid question is signed again")
	}
	if a := c.lookup(q, t0.Add(questionTTL)); a.statement.batch != nil {
		t.Error("an old question is used again")
	}
}
