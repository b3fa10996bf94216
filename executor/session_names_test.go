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

// session reports the names that a new session holds.
func (r *rig) session(names ...string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r.agent.sessions <- connection{names, ctx.Done()}
	return cancel
}

// deliverTo delivers by the queue of a name, perhaps again.
func (r *rig) deliverTo(name, typ, job string, body []byte, redelivered bool) {
	r.agent.deliveries <- delivery{queue: wire.HostQueue(name), name: name, Delivery: amqp.Delivery{
		Acknowledger: acker{r}, Exchange: wire.ExchangeHosts, RoutingKey: wire.HostKey(name), Type: typ, CorrelationId: job, ReplyTo: wire.ReplyQueue("op", "abc"), Body: body, Redelivered: redelivered,
	}}
}

// An alias moves to another agent while a request for it is valid and repeated. The second agent
// does not run the job, and cannot say that it never ran.
func TestMovedNameRunsJobOnOneAgent(t *testing.T) {
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

// If both the journal is new and the name was taken since, the reason is the journal, which the
// operator can do something about. The time is the later one.
func TestNewJournalIsReportedAsReason(t *testing.T) {
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
		if s, want := next[*wire.State](r), named.Add(DefaultTolerance+time.Millisecond).UnixMilli(); s.Reason != "" || s.Since != want {
			t.Errorf("%+v, want since %d and no reason", s, want)
		}
	})
}

// requestAbout returns a request about a run that was sent before.
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

// steady returns the uptime clock of a machine in a synctest bubble.
func steady() func() uptime.Reading {
	start := time.Now()
	return func() uptime.Reading { return uptime.Reading{Boot: "bubble", Up: time.Since(start)} }
}

// A job from the inbox runs after any absence, unless it was delivered before: then it may have
// run.
func TestInboxJobAfterLongAbsence(t *testing.T) {
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
			Acknowledger: acker{r}, Exchange: wire.ExchangeHosts, RoutingKey: wire.InboxKey("web01"), Type: wire.TypeRun, CorrelationId: second, ReplyTo: wire.ReplyQueue("op", "abc"), Body: redelivered, Redelivered: true,
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
