package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/executor/jobtable"
	"warren/executor/outbox"
	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/wire"
)

// A rig runs an agent's loop in virtual time, between plain channels: the test is
// the broker and the runner.
type rig struct {
	t       *testing.T
	agent   *Agent
	table   *jobtable.Table // the loop's, once it runs
	out     chan *broker.Publication
	stop    context.CancelFunc
	ended   chan error
	launch  time.Duration // until a command has its process
	started chan process.Spec
	finish  chan process.Result // one a command; nil channel: the runner obeys its context only
	acks    atomic.Int32
}

func newRig(t *testing.T, edit func(*Config)) *rig { return newRigOn(t, &disk{}, edit) }

func newRigOn(t *testing.T, file Journal, edit func(*Config)) *rig {
	kept, err := outputlog.Open("", 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	return newRigOver(t, kept, file, nil, edit)
}

// newRigOver starts the loop with output that is kept, a journal's file, and the jobs of
// a former life; nil is none.
func newRigOver(t *testing.T, kept *outputlog.Log, file Journal, jobs *jobtable.Table, edit func(*Config)) *rig {
	r := &rig{
		t: t, out: make(chan *broker.Publication), ended: make(chan error, 1),
		started: make(chan process.Spec, 100), finish: make(chan process.Result),
	}
	cfg := Config{
		ID: "web01", AllowUnsigned: true, Broker: broker.Options{Dial: dial.Options{URLs: []string{"amqp://127.0.0.1/"}}},
		Limits: Limits{Workers: 1, Queue: 2}, Runner: r.execute,
	}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if r.agent, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if r.table = jobs; jobs == nil {
		o := r.agent.cfg.tableOptions()
		o.KnownSince = time.Now()
		r.table = jobtable.New(o)
	}
	l := newLoop(r.agent, r.table, kept, file)
	l.replies.publisher = r.out
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.ended <- l.run(ctx, context.Background()) }()
	return r
}

// renew makes the journal one that was made now. Nothing else may happen meanwhile.
func (r *rig) renew() {
	synctest.Wait()
	r.table.Start(time.Time{}, true, r.agent.cfg.now())
}

func (r *rig) execute(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
	r.started <- s
	begun := time.Now()
	time.Sleep(r.launch)
	started(process.Identity{PID: 1 << 22, Start: "rig"})
	select {
	case res := <-r.finish:
		res.Started, res.StartedAt, res.EndedAt = true, begun, time.Now()
		return res
	case <-ctx.Done():
		return process.Result{Started: true, Canceled: true, StartedAt: begun, EndedAt: time.Now()}
	}
}

// close ends the loop and waits for it.
func (r *rig) close() {
	r.stop()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

// request signs a fresh statement at the rig's time.
func (r *rig) request(typ, task, job string) (body []byte) { return r.requestIn("", typ, task, job) }

// requestIn is request with a working directory.
func (r *rig) requestIn(dir, typ, task, job string) (body []byte) {
	now := time.Now()
	st := wire.Statement{
		Type: typ, Task: task, IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
		ReplyTo: wire.ReplyQueue("op", "abc"),
	}
	if typ == wire.TypeRun || typ == wire.TypeCheck {
		st.Run = &wire.Run{Command: "true", Cwd: dir, TimeoutMS: 60_000, MaxOutput: 1 << 20}
	} else if typ != wire.TypeRights {
		st.Of = &wire.Target{IssuedAt: st.IssuedAt, NotAfter: st.NotAfter}
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: job, Host: "web01"}}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return b.Body(0)
}

// order returns a verified request about a new job.
func (r *rig) order(typ string) *jobtable.VerifiedRequest {
	r.t.Helper()
	task, job := ids()
	q, err := wire.DecodeRequest(r.request(typ, task, job))
	if err != nil {
		r.t.Fatal(err)
	}
	return &jobtable.VerifiedRequest{Request: q, Run: q.Statement.Run}
}

// tableFrom returns the table of an agent that starts with these records.
func tableFrom(t *testing.T, records [][]byte) *jobtable.Table {
	t.Helper()
	b := jobtable.New(jobtable.Options{Agent: "web01", Workers: 1, Queue: 2, Jobs: 100, Retention: time.Hour, Tolerance: 30 * time.Second})
	for _, r := range records {
		if err := b.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (r *rig) deliver(typ, job string, body []byte) {
	r.deliverBy(wire.ExchangeHosts, "web01", typ, job, body)
}

// deliverBy delivers what was published with another exchange or routing key.
func (r *rig) deliverBy(exchange, key, typ, job string, body []byte) {
	r.agent.deliveries <- delivery{queue: "warren.host.web01", name: "web01", Delivery: amqp.Delivery{
		Acknowledger: acker{r}, Exchange: exchange, RoutingKey: key, Type: typ, CorrelationId: job, ReplyTo: wire.ReplyQueue("op", "abc"), Body: body,
	}}
}

func (r *rig) send(typ, task, job string) { r.deliver(typ, job, r.request(typ, task, job)) }

// reply receives the next publication, sends the broker's verdict on it and decodes it.
func (r *rig) reply(k broker.Kind) any {
	r.t.Helper()
	return r.judged(func(any) broker.Kind { return k })
}

// judged receives the next reply, on which choose gives the broker's verdict.
func (r *rig) judged(choose func(reply any) broker.Kind) any {
	r.t.Helper()
	select {
	case p := <-r.out:
		for _, d := range p.Acks {
			acknowledge(d)
		}
		v, err := wire.DecodeReply(p.Msg.Type, p.Msg.Body, p.Msg.Headers, p.Msg.CorrelationId)
		if err != nil {
			r.t.Fatalf("our own reply %s: %v", p.Msg.Type, err)
		}
		p.Answer <- broker.Verdict{Ref: p.Ref, Kind: choose(v)}
		return v
	case <-time.After(time.Hour):
		r.t.Fatal("no reply within an hour")
		return nil
	}
}

func next[T any](r *rig) T {
	r.t.Helper()
	v := r.reply(broker.Routed)
	typed, ok := v.(T)
	if !ok {
		r.t.Fatalf("reply %T %+v, want %T", v, v, typed)
	}
	return typed
}

func (r *rig) silent() {
	r.t.Helper()
	select {
	case p := <-r.out:
		r.t.Fatalf("unexpected %s: %s", p.Msg.Type, p.Msg.Body)
	case <-time.After(time.Hour):
	}
}

type acker struct{ r *rig }

func (a acker) Ack(uint64, bool) error        { a.r.acks.Add(1); return nil }
func (a acker) Nack(uint64, bool, bool) error { return errors.New("nobody nacks") }
func (a acker) Reject(uint64, bool) error     { return errors.New("nobody rejects") }

func ids() (task, job string) { return uuid.NewString(), uuid.NewString() }

func exited(code int, rest ...process.Chunk) process.Result {
	r := process.Result{ExitCode: code, Rest: rest}
	for _, c := range rest {
		if c.Stream == wire.Stdout {
			r.Stdout.Size += int64(len(c.Data))
		} else {
			r.Stderr.Size += int64(len(c.Data))
		}
	}
	return r
}

func TestQuickCommandCostsOneReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		time.Sleep(outbox.QuietPeriod - time.Millisecond)
		r.finish <- exited(3, process.Chunk{Stream: wire.Stdout, Data: []byte("out")}, process.Chunk{Stream: wire.Stderr, Data: []byte("err")})
		e := next[*wire.Ended](r)
		if e.Outcome != wire.Exited || *e.ExitCode != 3 || string(e.Stdout.Data) != "out" || string(e.Stderr.Data) != "err" || e.Agent != "web01" {
			t.Errorf("ended %+v", e)
		}
		r.silent()
		if r.acks.Load() != 1 {
			t.Errorf("%d acknowledgements", r.acks.Load())
		}
	})
}

// The code page is that of the output, unless it is UTF-8.
func TestEndedReplyHasCodePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.CodePage = func() int { return 936 } })
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		r.finish <- exited(0, process.Chunk{Stream: wire.Stdout, Data: []byte("\xd6\xf7")})
		if e := next[*wire.Ended](r); e.CodePage != 936 {
			t.Errorf("ended %+v", e)
		}
	})
}

// PowerShell on Windows prints UTF-8, and what Warren prints of files is UTF-8.
func TestCodePageOfRun(t *testing.T) {
	windows, linux := &Config{CodePage: func() int { return 936 }}, &Config{CodePage: func() int { return 0 }}
	for name, c := range map[string]struct {
		cfg  *Config
		run  wire.Run
		want int
	}{
		"cmd.exe":             {windows, wire.Run{Command: "dir"}, 936},
		"batch file":          {windows, wire.Run{Script: []byte("dir")}, 936},
		"PowerShell":          {windows, wire.Run{Command: "dir", Shell: "powershell"}, 65001},
		"PowerShell script":   {windows, wire.Run{Script: []byte("dir"), Shell: "powershell"}, 65001},
		"script's parameters": {windows, wire.Run{Script: []byte("param($a)"), Shell: "powershell"}, 936},
		"files":               {windows, wire.Run{Push: &wire.Push{Path: `C:\x`}}, 0},
		"PowerShell on Linux": {linux, wire.Run{Command: "dir", Shell: "pwsh"}, 0},
	} {
		if got := c.cfg.codePage(&c.run); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// The quiet period counts from the arrival of the request, however long the start takes.
func TestSlowStartIsAnnouncedAfterQuietPeriod(t *testing.T) {
	for _, start := range []time.Duration{outbox.QuietPeriod / 2, 2 * outbox.QuietPeriod} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.launch = start
			task, job := ids()
			begin := time.Now()
			r.send(wire.TypeRun, task, job)
			next[*wire.Started](r)
			if d := time.Since(begin); d != outbox.QuietPeriod {
				t.Errorf("where its process takes %s it is announced after %s, want %s", start, d, outbox.QuietPeriod)
			}
			r.finish <- exited(0)
			next[*wire.Ended](r)
		})
	}
}

func TestSlowCommandIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		t1, j1 := ids()
		t2, j2 := ids()
		begin := time.Now()
		r.send(wire.TypeRun, t1, j1)
		r.send(wire.TypeRun, t2, j2)
		if s := next[*wire.Started](r); s.Job != j1 {
			t.Errorf("started %s", s.Job)
		}
		if d := time.Since(begin); d != outbox.QuietPeriod {
			t.Errorf("announced after %s, want %s", d, outbox.QuietPeriod)
		}
		if a := next[*wire.Accepted](r); a.Job != j2 {
			t.Errorf("accepted %s", a.Job)
		}
		r.finish <- exited(0)
		// The first's end and the second's start, in either order.
		var ended, started bool
		for range 2 {
			switch v := r.reply(broker.Routed).(type) {
			case *wire.Ended:
				ended = v.Job == j1
			case *wire.Started:
				started = v.Job == j2
			}
		}
		if !ended || !started {
			t.Errorf("ended %v, started %v", ended, started)
		}
		r.finish <- exited(0)
		next[*wire.Ended](r)
	})
}

func TestWaitingJobExpiresWhileAllWorkersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		begin := time.Now()
		for range 2 {
			task, job := ids()
			r.send(wire.TypeRun, task, job)
		}
		for {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				if e.Outcome != wire.Expired || time.Since(begin) > time.Minute+time.Second {
					t.Errorf("%s after %s", e.Outcome, time.Since(begin))
				}
				break
			}
		}
		r.finish <- exited(0)
		next[*wire.Ended](r)
	})
}

func TestRepeatedRequestIsAnsweredNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		body := r.request(wire.TypeRun, task, job)
		r.deliver(wire.TypeRun, job, body)
		r.finish <- exited(0)
		next[*wire.Ended](r)
		synctest.Wait() // the answer is confirmed; one in flight would serve both
		r.deliver(wire.TypeRun, job, body)
		if e := next[*wire.Ended](r); e.Outcome != wire.Exited {
			t.Errorf("second answer %+v", e)
		}
		if n := len(r.started); n != 1 {
			t.Errorf("executed %d times", n)
		}
	})
}

// A job that was issued before the journal may have run. Every request about it is answered with
// this; nothing is remembered or executed.
func TestUnknownOldJobIsAnsweredForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task, job := ids()
		old := &rig{t: t}
		bodies := map[string][]byte{}
		for _, typ := range []string{wire.TypeRun, wire.TypeCancel, wire.TypeStatus} {
			bodies[typ] = old.request(typ, task, job)
		}
		time.Sleep(time.Second)
		r := newRig(t, nil)
		defer r.close()
		since := time.Now().UnixMilli()
		for range 2 {
			for typ, body := range bodies {
				r.deliver(typ, job, body)
				if s := next[*wire.State](r); s.State != wire.StateForgotten || s.Since != since {
					t.Errorf("%s is answered %+v, want forgotten since %d", typ, s, since)
				}
			}
		}
		synctest.Wait()
		if len(r.started) != 0 || r.acks.Load() != 6 {
			t.Errorf("%d executions, %d acknowledgements", len(r.started), r.acks.Load())
		}
	})
}

func TestCancelWorksWhileAllWorkersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		var jobs, tasks []string
		for range 3 { // one runs, two wait
			task, job := ids()
			r.send(wire.TypeRun, task, job)
			jobs, tasks = append(jobs, job), append(tasks, task)
		}
		r.send(wire.TypeCancel, tasks[0], jobs[0])
		var outcome wire.Outcome
		for outcome == "" {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok && e.Job == jobs[0] {
				outcome = e.Outcome
			}
		}
		if outcome != wire.Canceled {
			t.Errorf("outcome %s", outcome)
		}
		r.send(wire.TypeCancel, tasks[2], jobs[2])
		for done := false; !done; {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok && e.Job == jobs[2] {
				done = true
				if e.Outcome != wire.Canceled || e.StartedAt != 0 {
					t.Errorf("waiting job: %+v", e)
				}
			}
		}
		r.finish <- exited(0)
		for e := next[*wire.Ended](r); e.Job != jobs[1]; {
			e = next[*wire.Ended](r)
		}
	})
}

func TestLargeOutputGoesInOrderAndEndedComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		chunk := bytes.Repeat([]byte("x"), wire.MaxChunk)
		r.finish <- exited(
			0,
			process.Chunk{Stream: wire.Stdout, Data: chunk},
			process.Chunk{Stream: wire.Stdout, Offset: wire.MaxChunk, Data: chunk},
			process.Chunk{Stream: wire.Stderr, Data: []byte("e")},
		)
		// The second chunk is refused once, as by a full reply queue.
		var got []string
		refused := false
		for {
			p := <-r.out
			v, err := wire.DecodeReply(p.Msg.Type, p.Msg.Body, p.Msg.Headers, p.Msg.CorrelationId)
			if err != nil {
				t.Fatal(err)
			}
			kind := broker.Routed
			if o, ok := v.(*wire.Output); ok && o.Offset == wire.MaxChunk && !refused {
				refused, kind = true, broker.Nacked
			}
			p.Answer <- broker.Verdict{Ref: p.Ref, Kind: kind}
			if e, ok := v.(*wire.Ended); ok {
				if e.Stdout.Size != 2*wire.MaxChunk || e.Stdout.Data != nil || e.Stderr.Size != 1 {
					t.Errorf("ended %+v %+v", e.Stdout, e.Stderr)
				}
				break
			}
			o := v.(*wire.Output)
			if kind == broker.Routed {
				got = append(got, o.Stream+"@"+time.Duration(o.Offset).String())
			}
		}
		slices.Sort(got)
		want := "stderr@0s stdout@0s stdout@32.768µs"
		if s := strings.Join(slices.Compact(got), " "); s != want {
			t.Errorf("before ended came %s, want %s", s, want)
		}
	})
}

// Whoever has copied a request must not have a large result sent again and again.
func TestOldRequestDoesNotRepeatADeliveredResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		body := r.request(wire.TypeRun, task, job)
		r.deliver(wire.TypeRun, job, body)
		r.finish <- exited(0)
		next[*wire.Ended](r)
		synctest.Wait()                    // the agent knows that the broker has taken it
		r.deliver(wire.TypeRun, job, body) // its operator may not have it yet
		next[*wire.Ended](r)
		time.Sleep(time.Minute + DefaultTolerance + time.Second)
		r.deliver(wire.TypeRun, job, body)
		r.silent()
	})
}

func TestReturnedReplyIsKeptUntilStatusRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0, process.Chunk{Stream: wire.Stdout, Data: []byte("kept")})
		r.reply(broker.Returned)
		r.silent()
		r.send(wire.TypeStatus, task, job)
		if e := next[*wire.Ended](r); string(e.Stdout.Data) != "kept" {
			t.Errorf("asked, it says %+v", e)
		}
	})
}

func TestUnconfirmedReplyIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0)
		r.reply(broker.Unconfirmed)
		next[*wire.Ended](r)
		r.silent()
	})
}

func TestStopInterruptsRunningJobAfterGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		t1, j1 := ids()
		t2, j2 := ids()
		r.send(wire.TypeRun, t1, j1) // runs on: the grace time ends it
		r.send(wire.TypeRun, t2, j2) // waits
		<-r.started
		begin := time.Now()
		r.stop()
		for {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				if e.Job != j1 || e.Outcome != wire.Interrupted { // the other waits in the journal
					t.Errorf("ended %+v", e)
				}
				break
			}
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != DefaultDrainGrace {
			t.Errorf("left after %s, want %s", d, DefaultDrainGrace)
		}
	})
}

func TestStopWithoutBrokerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0)
		begin := time.Now()
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != flushTimeout {
			t.Errorf("left after %s, want %s", d, flushTimeout)
		}
	})
}

func TestInvalidRequestIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, func(c *Config) { c.Log = textLog(&log) })
		task, job := ids()
		for name, body := range map[string][]byte{
			"not JSON":      []byte("hello"),
			"empty":         nil,
			"other version": bytes.Replace(r.request(wire.TypeRun, task, job), []byte(`"v":1`), []byte(`"v":2`), 1),
			"too large":     bytes.Repeat([]byte(" "), wire.MaxRequest+1),
			"unknown type":  bytes.Replace(r.request(wire.TypeRun, task, job), []byte(`\"type\":\"run\"`), []byte(`\"type\":\"ruin\"`), 1),
		} {
			log.Reset()
			r.deliver(wire.TypeRun, job, body)
			synctest.Wait()
			if !strings.Contains(log.String(), "msg=refused") {
				t.Errorf("%s: logged %q", name, log.String())
			}
		}
		for exchange, key := range map[string]string{
			"":                    wire.HostQueue("web01"),      // by the queue's name
			"warren.inbox.web02":  wire.HostKey("web01"),        // an exchange of another login, bound to Warren's
			wire.ExchangeHosts:    wire.LaterKey("web02"),       // the headers CC and BCC have other keys
			wire.ExchangeDiscover: "",                           // no question
			wire.ExchangeReplies:  wire.ReplyQueue("op", "abc"), // as the dead letter of a reply
		} {
			task, job := ids()
			r.deliverBy(exchange, key, wire.TypeRun, job, r.request(wire.TypeRun, task, job))
			synctest.Wait()
			if n := len(r.started); n > 0 {
				t.Errorf("%q, %q: executed", exchange, key)
			}
		}
		r.deliver(wire.TypeCancel, job, r.request(wire.TypeRun, task, job)) // properties that disagree
		r.deliver(wire.TypeRun, uuid.NewString(), r.request(wire.TypeRun, task, job))
		r.agent.deliveries <- delivery{ // by another's queue
			queue: "warren.host.web02", name: "web02", Delivery: amqp.Delivery{Acknowledger: acker{r}, Exchange: wire.ExchangeHosts, RoutingKey: "web02", Body: r.request(wire.TypeRun, task, job)},
		}
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0)
		next[*wire.Ended](r)
		if n := len(r.started); n != 1 {
			t.Errorf("executed %d commands", n)
		}
		if r.acks.Load() != 14 {
			t.Errorf("%d acknowledgements, want all 14", r.acks.Load())
		}
		r.close()
	})
}

func TestCheckExecutesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeCheck, task, job)
		c := next[*wire.Checked](r)
		if !c.WouldRun || c.Rule == "" || c.Binary == "" || !slices.Equal(c.Argv, process.ShellArgv("", "true")) || c.User == "" {
			t.Errorf("checked %+v", c)
		}
		if len(r.started) != 0 {
			t.Error("a check was executed")
		}
	})
}

func TestUnsignedIsRefusedUnlessAllowed(t *testing.T) {
	if _, err := New(Config{ID: "web01", Broker: broker.Options{Dial: dial.Options{URLs: []string{"amqp://127.0.0.1/"}}}}); !errors.Is(err, ErrUntrusting) {
		t.Errorf("error %v", err)
	}
}

// Replies about a job have the id under which the agent accepted it, since its operator accepts
// no other.
func TestRepliesAboutJobHaveIDUnderWhichItWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		former := &rig{t: t}
		before := jobtable.New(jobtable.Options{Agent: "web02", Workers: 1, Queue: 2, Jobs: 100})
		runs, waits := former.order(wire.TypeRun), former.order(wire.TypeRun)
		before.Accept(runs, "", false, time.Now())
		before.Accept(waits, "", false, time.Now())
		kept, err := outputlog.Open("", 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := newRigOver(t, kept, &disk{}, tableFrom(t, before.Commit(time.Now(), true).Records), nil)
		defer r.close()
		for _, o := range []*jobtable.VerifiedRequest{runs, waits} {
			r.deliverTo("web01", wire.TypeStatus, o.Leaf.Job, r.requestAbout(wire.TypeStatus, o.Statement.Task, o.Leaf.Job, r.request(wire.TypeRun, o.Statement.Task, o.Leaf.Job)), false)
		}
		kinds, finished := map[string]bool{}, false
		for done := 0; done < 2; {
			var agent string
			v := r.reply(broker.Routed)
			switch v := v.(type) {
			case *wire.Accepted:
				agent = v.Agent
			case *wire.Started:
				agent = v.Agent
			case *wire.State:
				agent = v.Agent
			case *wire.Ended:
				agent, done = v.Agent, done+1
			}
			if agent != "web02" {
				t.Errorf("%T of %q", v, agent)
			}
			kind := fmt.Sprintf("%T", v)
			if kinds[kind] = true; len(kinds) == 3 && !finished {
				finished = true
				go func() {
					r.finish <- exited(0)
					r.finish <- exited(0)
				}()
			}
		}
		if len(kinds) != 4 {
			t.Errorf("replies: %v", kinds)
		}
	})
}
