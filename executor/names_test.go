package executor

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/agent/uptime"
	"warren/internal/broker"
	"warren/internal/wire"
)

// up is the moment so long after t0, in the first life of a machine.
func up(d time.Duration) moment {
	return moment{t0.Add(d), uptime.Reading{Boot: "first", Up: time.Hour + d}}
}

// saysElsewhere reports whether a run that was issued at t0 may have run on another host.
func saysElsewhere(t *testing.T, b *journal, o *order) bool {
	t.Helper()
	return b.doubts(o, t0, t0.Add(time.Minute)) == elsewhere
}

// oldJournal is one that knows all that was issued at t0.
func oldJournal() *journal {
	b := newJournal(limits(), t0.Add(-24*time.Hour))
	b.agent = "web01"
	return b
}

// An agent neither runs nor ends what is older than its hold on the name: another host
// may have run it. Nor does it say that it never ran.
func TestNewNameRefusesWhatIsOlder(t *testing.T) {
	b := oldJournal()
	b.takeNames([]string{"web01"}, up(time.Second))
	r := run(t)
	if j, _ := b.accept(r, "", false, t0.Add(2*time.Second)); j != nil {
		t.Errorf("taken: %+v", j)
	}
	if j, state := b.status(about(t, wire.TypeStatus, r), t0.Add(time.Hour)); j != nil || state != wire.StateForgotten {
		t.Errorf("status says %v %q, want forgotten", j, state)
	}
	if j, _ := b.cancel(about(t, wire.TypeCancel, r), t0.Add(2*time.Second)); j != nil {
		t.Errorf("cancel ends it: %+v", j)
	}
	from, why := b.takenAfter("web01", t0)
	if want := "web01 has answered to this name only since 03:04:06 UTC by its clock; this request is older"; why != want {
		t.Errorf("%q, want %q", why, want)
	}
	if want := beginning(t0.Add(time.Second), limits().Tolerance); !from.Equal(want) {
		t.Errorf("takes requests from %s on, want %s: an operator's clock may be ahead", from, want)
	}
	if _, why := b.takenAfter("web01", from); why != "" {
		t.Errorf("of its first moment: %q", why)
	}
}

// A restart of the agent, or of the broker, is no break, whatever else is refused
// meanwhile; a longer absence is one, and so is a session without the name.
func TestBreakInTheHoldOnAName(t *testing.T) {
	held := []string{"web01", "www"}
	for name, c := range map[string]struct {
		then   func(b *journal)
		broken bool
	}{
		"none":            {func(*journal) {}, false},
		"session renewed": {func(b *journal) { b.leave(); b.takeNames(held, up(-9*time.Minute)) }, false},
		"almost too long": {func(b *journal) { b.leave(); b.takeNames(held, up(-10*time.Minute+nameGapTimeout)) }, false},
		"too long":        {func(b *journal) { b.leave(); b.takeNames(held, up(-10*time.Minute+nameGapTimeout+time.Millisecond)) }, true},
		"held for longer": {func(b *journal) {
			for d := -10 * time.Minute; d < time.Minute; d += touchInterval {
				b.touch(up(d))
			}
			b.leave()
			b.takeNames(held, up(time.Minute))
		}, false},
		"asleep": {func(b *journal) {
			b.touch(up(-time.Minute)) // the connection is not known to be gone
			b.leave()
			b.takeNames(held, up(-time.Second))
		}, true},
		"away, and asked for meanwhile": {func(b *journal) { b.leave(); b.touch(up(0)); b.takeNames(held, up(time.Minute)) }, true},
		"ready without it": {func(b *journal) {
			b.takeNames([]string{"web01"}, up(-9*time.Minute))
			b.takeNames(held, up(-8*time.Minute))
			b.touch(up(time.Minute))
		}, false}, // the id was held all the time
	} {
		t.Run(name, func(t *testing.T) {
			b := oldJournal()
			b.takeNames(held, up(-time.Hour))
			for d := -time.Hour; d <= -10*time.Minute; d += touchInterval {
				b.touch(up(d))
			}
			c.then(b)
			if got := saysElsewhere(t, b, run(t)); got && !c.broken {
				t.Error("a break is seen where there is none")
			} else if h := b.names.held["web01"]; c.broken && h.from.Before(t0.Add(-9*time.Minute)) {
				t.Error("no break is seen")
			}
			if name == "ready without it" {
				if h := b.names.held["www"]; h == nil || h.from.Before(t0.Add(-8*time.Minute)) {
					t.Error("a name that this agent was ready without counts as held")
				}
			}
		})
	}
}

// What is known of the names outlives the process, over a rewriting of the journal too,
// and over a restart of the machine.
func TestHoldOutlivesTheProcess(t *testing.T) {
	b := oldJournal()
	b.takeNames([]string{"web01", "www"}, up(-time.Hour))
	for d := -time.Hour; d <= -time.Minute; d += touchInterval {
		b.touch(up(d))
	}
	for name, c := range map[string]struct {
		at     moment
		broken bool
	}{
		"soon":                        {up(0), false},
		"later":                       {up(5 * time.Minute), true},
		"the machine was restarted":   {moment{t0, uptime.Reading{Boot: "second", Up: time.Second}}, false},
		"it was away for longer":      {moment{t0.Add(5 * time.Minute), uptime.Reading{Boot: "second", Up: time.Second}}, true},
		"its clock was set back":      {moment{t0.Add(-time.Hour), uptime.Reading{Boot: "second", Up: time.Second}}, true},
		"the clock was set meanwhile": {moment{t0.Add(-time.Hour), up(0).Reading}, false},
	} {
		t.Run(name, func(t *testing.T) {
			again := oldJournal()
			for _, record := range b.memos(true, true, true) {
				if err := again.replay(record); err != nil {
					t.Fatal(err)
				}
			}
			again.takeNames([]string{"web01", "www"}, c.at)
			if got := again.names.held["www"].since == c.at; got != c.broken {
				t.Errorf("taken anew: %t, want %t", got, c.broken)
			}
		})
	}
}

// What has waited in the inbox has reached no other host: it runs however late the
// agent comes for it, but not what the broker has delivered to somebody before.
func TestInboxIsExemptFromTheHold(t *testing.T) {
	b := oldJournal()
	b.takeNames([]string{"web01"}, up(time.Second))
	r := run(t)
	r.inbox = true
	if j, _ := b.accept(r, "", true, t0.Add(2*time.Second)); j == nil || j.phase != waiting {
		t.Errorf("%+v", j)
	}
}

// A cancel that overtakes a run in the inbox holds, though its answer can say nothing of
// other hosts; once the run has come it is certain that it ran nowhere.
func TestCancelBeforeTheInboxIsRead(t *testing.T) {
	b := oldJournal()
	b.takeNames([]string{"web01"}, up(time.Second))
	r := run(t)
	b.cancel(about(t, wire.TypeCancel, r), t0.Add(2*time.Second))
	again := oldJournal()
	for _, j := range b.unsaved {
		if err := again.replay(j.record.unsaved.encode()); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string]*journal{"same process": b, "restarted": again} {
		if j, state := b.status(about(t, wire.TypeStatus, r), t0.Add(3*time.Second)); j != nil || state != wire.StateForgotten {
			t.Errorf("%s: status says %+v %q, want forgotten", name, j, state)
		}
		if j, _ := b.cancel(about(t, wire.TypeCancel, r), t0.Add(3*time.Second)); j != nil {
			t.Errorf("%s: a second cancel says %+v", name, j)
		}
		waited := *r
		waited.inbox = true
		j, known := b.accept(&waited, "", true, t0.Add(4*time.Second))
		if !known {
			t.Fatalf("%s: %+v", name, j)
		}
		wantOutcome(t, j, wire.Canceled, "before it arrived")
		if j, _ := b.status(about(t, wire.TypeStatus, r), t0.Add(5*time.Second)); j == nil {
			t.Errorf("%s: now it is certain, and status does not say so", name)
		}
	}
}

// session tells the agent which names it answers to, as a new connection does.
func (r *rig) session(names ...string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r.agent.sessions <- connection{names, ctx.Done()}
	return cancel
}

// deliverTo is deliver by the queue of another name, or again.
func (r *rig) deliverTo(name, typ, job string, body []byte, redelivered bool) {
	r.agent.deliveries <- delivery{queue: wire.HostQueue(name), name: name, Delivery: amqp.Delivery{
		Acknowledger: acker{r}, Type: typ, CorrelationId: job, ReplyTo: wire.ReplyQueue("op", "abc"), Body: body, Redelivered: redelivered,
	}}
}

// An alias moves from one agent to another while a request for it is valid, and the
// operator repeats: the second agent does not run it, and cannot say that it never ran.
func TestNameMovesAndOneAgentRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRig(t, func(c *Config) { c.ID, c.Uptime = "a", steady() })
		b := newRig(t, func(c *Config) { c.ID, c.Uptime = "b", steady() })
		defer b.close()
		endA := a.session("a", "web01")
		b.session("b")
		time.Sleep(time.Minute)

		task, job := ids()
		body := a.request(wire.TypeRun, task, job)
		a.deliver(wire.TypeRun, job, body)
		<-a.started // and no word of it comes through
		endA()
		b.session("b", "web01")
		time.Sleep(2 * time.Second)
		b.deliverTo("web01", wire.TypeRun, job, body, false)
		s := next[*wire.State](b)
		if s.State != wire.StateForgotten || s.Since == 0 || !strings.Contains(s.Reason, "b has answered to web01 only since") {
			t.Errorf("%+v", s)
		}
		for _, typ := range []string{wire.TypeStatus, wire.TypeCancel} {
			time.Sleep(time.Second)
			b.deliverTo("web01", typ, job, b.requestAbout(typ, task, job, body), false)
			if s := next[*wire.State](b); s.State != wire.StateForgotten {
				t.Errorf("%s: %+v", typ, s)
			}
		}
		if len(b.started) > 0 {
			t.Error("both run it")
		}
		time.Sleep(time.Minute)
		_, later := ids()
		again := b.request(wire.TypeRun, job, later) // of its own task, issued after b took the name
		b.deliverTo("web01", wire.TypeRun, later, again, false)
		<-b.started
		b.finish <- exited(0)
		if e := next[*wire.Ended](b); e.Outcome != wire.Exited {
			t.Errorf("%+v", e)
		}
		a.finish <- exited(0)
		if _, ok := a.reply(broker.Routed).(*wire.Started); !ok {
			t.Error("a has not said that it runs")
		}
		next[*wire.Ended](a)
		a.close()
	})
}

// An agent whose journal is new, and which has taken its name since, says that its journal
// is new: that is the reason which its operator can do something about. It takes jobs once
// neither is in the way.
func TestNewJournalIsTheReasonThatIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Uptime = steady() })
		defer r.close()
		task, job := ids()
		body := r.request(wire.TypeRun, task, job)
		time.Sleep(time.Second)
		r.renew()
		time.Sleep(time.Second)
		r.session("web01")
		named := time.Now()
		r.deliver(wire.TypeRun, job, body)
		if s, want := next[*wire.State](r), beginning(named, DefaultTolerance).UnixMilli(); s.Reason != "" || s.Since != want {
			t.Errorf("%+v, want since %d and no reason", s, want)
		}
	})
}

// requestAbout is a question about a run that was sent before.
func (r *rig) requestAbout(typ, task, job string, run []byte) []byte {
	r.t.Helper()
	of, err := wire.DecodeRequest(run)
	if err != nil {
		r.t.Fatal(err)
	}
	now := time.Now()
	st := wire.Statement{
		Type: typ, Task: task, IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
		ReplyTo: wire.ReplyQueue("op", "abc"), Of: &wire.Target{IssuedAt: of.Statement.IssuedAt, NotAfter: of.Statement.NotAfter},
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: job, Host: "web01"}}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return b.Body(0)
}

// steady is the clock of a machine in a bubble.
func steady() func() uptime.Reading {
	start := time.Now()
	return func() uptime.Reading { return uptime.Reading{Boot: "bubble", Up: time.Since(start)} }
}

// What the inbox delivers runs after any absence. What it has delivered to somebody
// before may have run there.
func TestInboxAfterALongAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Inbox, c.Uptime = true, steady() })
		defer r.close()
		r.session("web01")()
		task, job := ids()
		body := r.request(wire.TypeRun, task, job)
		again, second := ids()
		redelivered := r.request(wire.TypeRun, again, second)
		time.Sleep(10 * time.Minute)
		_, third := ids()
		direct := r.request(wire.TypeRun, third, third)
		time.Sleep(time.Second)
		r.session("web01")
		d := delivery{queue: wire.InboxQueue("web01"), name: "web01", inbox: true, Delivery: amqp.Delivery{
			Acknowledger: acker{r}, Type: wire.TypeRun, CorrelationId: second, ReplyTo: wire.ReplyQueue("op", "abc"), Body: redelivered, Redelivered: true,
		}}
		r.agent.deliveries <- d
		if s := next[*wire.State](r); s.State != wire.StateForgotten || s.Job != second {
			t.Errorf("redelivered: %+v", s)
		}
		r.deliverTo("web01", wire.TypeRun, third, direct, false)
		if s := next[*wire.State](r); s.State != wire.StateForgotten || s.Job != third {
			t.Errorf("not by the inbox: %+v", s)
		}
		d.CorrelationId, d.Body, d.Redelivered = job, body, false
		r.agent.deliveries <- d
		if e := next[*wire.Ended](r); e.Job != job || e.Outcome != wire.Expired {
			t.Errorf("by the inbox, after its time: %+v", e)
		}
	})
}
