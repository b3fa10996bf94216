package dispatcher

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

func TestPreflightCreatesNoTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		type answer struct {
			checks []model.Check
			err    error
		}
		ended := make(chan answer, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() {
			checks, err := r.d.Check(ctx, model.Spec{
				Hosts: []string{"here", "absent", "silent", "foreign"}, Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
			})
			ended <- answer{checks, err}
		}()
		for _, want := range []struct {
			host string
			kind broker.Kind
		}{{"here", broker.Routed}, {"absent", broker.Returned}, {"silent", broker.Routed}, {"foreign", broker.Nacked}} {
			p := r.take(want.kind)
			if q, err := wire.DecodeRequest(p.Msg.Body); err != nil || q.Statement.Type != wire.TypeCheck || p.Key != wire.HostKey(want.host) || p.Msg.Type != wire.TypeCheck {
				t.Fatalf("%s: to %s, %v", want.host, p.Key, err)
			}
			if want.host == "here" {
				r.store.checks <- results.CheckAnswer{Job: p.Msg.CorrelationId, Reply: &wire.Checked{WouldRun: true}}
			}
		}
		again := 0
		for again < 2 { // those that have not answered are asked again
			p := r.take(broker.Routed)
			again++
			if p.Key == wire.HostKey("foreign") {
				r.store.checks <- results.CheckAnswer{Job: p.Msg.CorrelationId, Reply: &wire.Ended{Outcome: wire.Rejected, Reason: "not permitted"}}
			} else if p.Key != wire.HostKey("silent") {
				t.Errorf("again to %s", p.Key)
			}
		}
		go func() {
			for p := range r.out {
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			}
		}()
		got := <-ended
		close(r.out)
		if got.err != nil {
			t.Fatal(got.err)
		}
		for i, want := range []string{"", "no agent answers to this name", noAnswer, "not permitted"} {
			if c := got.checks[i]; c.Reason != want || (c.Answer != nil) != (want == "") {
				t.Errorf("%+v, want reason %q", c, want)
			}
		}
		if len(r.audit) > 0 || len(r.store.jobs) > 0 {
			t.Error("a check is a task")
		}
	})
}

// Rights distinguishes a list, a refusal, an answer to another question, and no answer.
func TestRightsOfEachHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		type answer struct {
			rights []model.Rights
			err    error
		}
		ended := make(chan answer, 1)
		go func() {
			rights, err := r.d.Rights(t.Context(), []string{"lists", "refuses", "confused", "absent"})
			ended <- answer{rights, err}
		}()
		replies := []any{&wire.Granted{State: wire.GrantValid}, &wire.Ended{Outcome: wire.Rejected, Reason: wire.NotPermitted}, &wire.Checked{WouldRun: true}, nil}
		for _, reply := range replies {
			kind := broker.Routed
			if reply == nil {
				kind = broker.Returned
			}
			p := r.take(kind)
			if q, err := wire.DecodeRequest(p.Msg.Body); err != nil || q.Statement.Type != wire.TypeRights || p.Msg.Type != wire.TypeRights {
				t.Fatalf("to %s: %v", p.Key, err)
			}
			if reply != nil {
				r.store.checks <- results.CheckAnswer{Job: p.Msg.CorrelationId, Reply: reply}
			}
		}
		got := <-ended
		if got.err != nil {
			t.Fatal(got.err)
		}
		for i, want := range []model.Rights{
			{Host: "lists", Answer: &wire.Granted{State: wire.GrantValid}},
			{Host: "refuses", Refused: true, Reason: wire.NotPermitted},
			{Host: "confused", Reason: wrongAnswer},
			{Host: "absent", Reason: "no agent answers to this name"},
		} {
			if g := got.rights[i]; !reflect.DeepEqual(g, want) || g.Permitted() != (i == 0) {
				t.Errorf("%+v, want %+v", g, want)
			}
		}
	})
}
