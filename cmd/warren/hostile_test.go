package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

// A fleet plays the agents of some hosts on the real broker, and whoever means
// ill with the login of one of them.
type fleet struct {
	t    *testing.T
	ch   *amqp.Channel
	jobs map[string]*played // by host
}

// played is a request that has come, and its host's true answer.
type played struct {
	*wire.Request
	host    string
	replyTo string
}

func newFleet(t *testing.T, broker string, hosts []string) *fleet {
	t.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f := &fleet{t: t, jobs: map[string]*played{}}
	if f.ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	if err := f.ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	if err := f.ch.ExchangeDeclare(wire.ExchangeHosts, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, host := range hosts {
		if _, err := f.ch.QueueDeclare(wire.HostQueue(host), false, false, true, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.ch.QueueBind(wire.HostQueue(host), wire.HostKey(host), wire.ExchangeHosts, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// receive waits for the request of each host. Its repetitions stay where they are.
func (f *fleet) receive(hosts []string) {
	f.t.Helper()
	for _, host := range hosts {
		eventually(f.t, func() error {
			d, ok, err := f.ch.Get(wire.HostQueue(host), true)
			if err != nil || !ok {
				return fmt.Errorf("nothing for %s: %w", host, err)
			}
			r, err := wire.DecodeRequest(d.Body)
			if err != nil {
				return err
			}
			f.jobs[host] = &played{r, host, d.ReplyTo}
			return nil
		})
	}
}

// publish sends a reply and waits until the broker has it.
func (f *fleet) publish(replyTo string, m amqp.Publishing) {
	f.t.Helper()
	m.AppId = wire.AppID
	c, err := f.ch.PublishWithDeferredConfirm(wire.ExchangeReplies, replyTo, false, false, m)
	if err != nil {
		f.t.Fatal(err)
	}
	if !c.Wait() {
		f.t.Fatal("the broker has refused a reply")
	}
}

// ended is the job's true end.
func (j *played) ended() *wire.Ended {
	zero := 0
	text := "true " + j.host + "\n"
	return &wire.Ended{
		Job: j.Leaf.Job, Agent: j.host, Outcome: wire.Exited, ExitCode: &zero, StartedAt: 1_000, EndedAt: 2_000,
		Stdout: &wire.Stream{Size: int64(len(text)), Data: []byte(text)}, Stderr: &wire.Stream{},
	}
}

// reply is a sound reply of any type.
func (j *played) reply(v any) amqp.Publishing {
	typ, body, err := wire.EncodeReply(v)
	if err != nil {
		panic(err) // the table is wrong
	}
	return amqp.Publishing{Type: typ, CorrelationId: j.Leaf.Job, ContentType: wire.ContentJSON, Body: body}
}

// output is a sound piece of output.
func (j *played) output(stream string, offset any, data []byte) amqp.Publishing {
	return amqp.Publishing{
		Type: wire.TypeOutput, CorrelationId: j.Leaf.Job, ContentType: wire.ContentBytes, Body: data,
		Headers: amqp.Table{wire.HeaderStream: stream, wire.HeaderOffset: offset},
	}
}

// forge is the true end of the job, as if it had failed, with one thing wrong.
func (j *played) forge(replacements ...string) amqp.Publishing {
	one := 1
	e := j.ended()
	e.ExitCode, e.Reason = &one, "forged"
	m := j.reply(e)
	for i := 0; i < len(replacements); i += 2 {
		if !bytes.Contains(m.Body, []byte(replacements[i])) {
			panic(fmt.Sprintf("no %q in %s", replacements[i], m.Body))
		}
		m.Body = bytes.Replace(m.Body, []byte(replacements[i]), []byte(replacements[i+1]), 1)
	}
	return m
}

// A lie is a reply that must not be believed. Whoever sends it may know all that
// an agent is told, and, where the lie is one of form, the job's id as well.
type lie struct {
	name  string
	begun bool // the true agent has said that the command runs
	late  bool // and that it has ended
	heard bool // it is told as what it is, the host's word on some request
	tell  func(j, other *played) []amqp.Publishing
}

func one(m amqp.Publishing) []amqp.Publishing { return []amqp.Publishing{m} }

// of makes a lie of form from a forged end.
func of(name string, replacements ...string) lie {
	return lie{name: name, tell: func(j, _ *played) []amqp.Publishing { return one(j.forge(replacements...)) }}
}

// with makes one by changing a forged end's message.
func with(name string, change func(j *played, m *amqp.Publishing)) lie {
	return lie{name: name, tell: func(j, _ *played) []amqp.Publishing {
		m := j.forge()
		change(j, &m)
		return one(m)
	}}
}

func lies() []lie {
	const forged = `"reason":"forged"`
	rejection := func(name string, digest func(j, other *played) []byte) lie {
		return lie{name: name, heard: true, tell: func(j, other *played) []amqp.Publishing {
			return one(j.reply(&wire.Ended{Job: j.Leaf.Job, Agent: j.host, Outcome: wire.Rejected, Reason: "forged", EndedAt: 2_000, Request: digest(j, other)}))
		}}
	}
	piece := func(name, stream string, offset any, data []byte) lie {
		return lie{name: name, tell: func(j, _ *played) []amqp.Publishing { return one(j.output(stream, offset, data)) }}
	}
	foreign := func(name string, v func(j *played) any) lie {
		return lie{name: name, begun: true, tell: func(j, _ *played) []amqp.Publishing { return one(j.reply(v(j))) }}
	}
	all := []lie{
		// Form.
		of("an unknown member", forged, forged+`,"evil":1`),
		of("a repeated member", forged, forged+`,"reason":"again"`),
		of("a member in another case", `"exit_code"`, `"Exit_Code"`),
		of("a member that is missing", `"outcome":"exited",`, ``),
		of("null", forged, `"reason":null`),
		of("an empty optional member", forged, `"reason":""`),
		of("an outcome that is the operator's", `"exited","exit_code":1`, `"unreachable"`),
		of("the other one", `"exited","exit_code":1`, `"lost"`),
		of("an outcome that is none", `"exited"`, `"succeeded"`),
		of("no exit code", `"exit_code":1,`, ``),
		of("an exit code that is text", `"exit_code":1`, `"exit_code":"1"`),
		of("an exit code with a fraction", `"exit_code":1`, `"exit_code":1.0`),
		of("an exit code with an exponent", `"exit_code":1`, `"exit_code":1e0`),
		of("an exit code that is too large", `"exit_code":1`, `"exit_code":4294967296`),
		of("a signal that is none", `"exited","exit_code":1`, `"signaled","signal":"SIG\u001b[2J"`),
		of("another version", `"v":1`, `"v":2`),
		of("no version", `"v":1,`, ``),
		of("no agent", `,"agent":"`, `,"reason":"`),
		of("an agent with control characters", `,"agent":"`, `,"agent":"\u001b]0;`),
		of("an agent that is a path", `,"agent":"`, `,"agent":"../../`),
		of("an agent in capitals", `,"agent":"`, `,"agent":"WEB`),
		of("an agent of 300 characters", `,"agent":"`, `,"agent":"`+strings.Repeat("a", 300)),
		of("half a surrogate pair", forged, `"reason":"\ud800"`),
		of("no UTF-8", forged, "\"reason\":\"\xff\xfe\""),
		of("an overlong form of /", forged, "\"reason\":\"\xc0\xaf\""),
		of("a control character as it is", forged, "\"reason\":\"\x1b[2J\""),
		of("a reason that is too long", forged, `"reason":"`+strings.Repeat("x", wire.MaxReason+1)+`"`),
		of("no time of its end", `"ended_at":2000`, `"ended_at":0`),
		of("a time before 1970", `"ended_at":2000`, `"ended_at":-1`),
		of("a time after the year 9999", `"ended_at":2000`, `"ended_at":253402300800000`),
		of("fewer than no processes killed", `"ended_at":2000`, `"ended_at":2000,"killed":-1`),
		of("fewer than no processes left", `"ended_at":2000`, `"ended_at":2000,"left":-1`),
		of("more processes left than a host can have", `"ended_at":2000`, `"ended_at":2000,"left":2147483648`),
		of("processes left that are text", `"ended_at":2000`, `"ended_at":2000,"left":"\u001b[2J"`),
		of("processes left by a command that never began", `"started_at":1000,"ended_at":2000`, `"ended_at":2000,"left":1`),
		of("an output of another size than its data", `"size":`, `"size":1`),
		of("more dropped than there was", `"stderr":{"size":0}`, `"stderr":{"size":1,"dropped":2}`),
		of("a size that is negative", `"stderr":{"size":0}`, `"stderr":{"size":-1}`),
		of("a size that no JSON number holds", `"stderr":{"size":0}`, `"stderr":{"size":9007199254740992}`),
		of("base64 with a line break", `"data":"`, `"data":"\n`),
		of("base64 for URLs", `"data":"`, `"data":"_-__`),
		of("too much data within", `"stderr":{"size":0}`, fmt.Sprintf(`"stderr":{"size":%d,"data":"%s"}`, wire.MaxInline, strings.Repeat("AAAA", wire.MaxInline/3))),
		of("deep nesting", forged, `"reason":`+strings.Repeat(`[`, 10_000)+strings.Repeat(`]`, 10_000)),
		of("a second value behind", `"stderr":{"size":0}}`, `"stderr":{"size":0}}{}`),
		of("a byte order mark", `{"v"`, "\ufeff"+`{"v"`),
		with("no JSON", func(_ *played, m *amqp.Publishing) { m.Body = []byte("exited 1") }),
		with("nothing", func(_ *played, m *amqp.Publishing) { m.Body = nil }),
		with("half of it", func(_ *played, m *amqp.Publishing) { m.Body = m.Body[:len(m.Body)/2] }),
		with("more than a reply may have", func(_ *played, m *amqp.Publishing) {
			m.Body = append(bytes.Repeat([]byte(" "), wire.MaxReply), m.Body...)
		}),
		with("megabytes", func(_ *played, m *amqp.Publishing) { m.Body = append(m.Body, make([]byte, 4<<20)...) }),
		with("no type", func(_ *played, m *amqp.Publishing) { m.Type = "" }),
		with("a type in capitals", func(_ *played, m *amqp.Publishing) { m.Type = "Ended" }),
		with("another type", func(_ *played, m *amqp.Publishing) { m.Type = wire.TypeStarted }),
		with("a type of requests", func(_ *played, m *amqp.Publishing) { m.Type = wire.TypeRun }),
		with("a type of 255 bytes", func(_ *played, m *amqp.Publishing) { m.Type = strings.Repeat("\x1b", 255) }),
		with("no correlation id", func(_ *played, m *amqp.Publishing) { m.CorrelationId = "" }),
		with("a correlation id in capitals", func(_ *played, m *amqp.Publishing) { m.CorrelationId = strings.ToUpper(m.CorrelationId) }),
		with("a correlation id that is a path", func(_ *played, m *amqp.Publishing) { m.CorrelationId = "../../etc/passwd" }),
		with("a correlation id of SQL", func(_ *played, m *amqp.Publishing) { m.CorrelationId = "' OR 1=1 --" }),
		piece("a stream that is none", "stdin", int64(0), []byte("forged")),
		piece("a stream that is no text", "", int64(0), []byte("forged")),
		piece("an offset that is negative", wire.Stdout, int64(-1), []byte("forged")),
		piece("an offset at the end of all numbers", wire.Stdout, int64(math.MaxInt64), []byte("forged")),
		piece("an offset that is text", wire.Stdout, "0", []byte("forged")),
		piece("an offset that has a fraction", wire.Stdout, 0.5, []byte("forged")),
		piece("no offset", wire.Stdout, nil, []byte("forged")),
		piece("no output", wire.Stdout, int64(0), nil),
		piece("more output than a piece may have", wire.Stdout, int64(0), bytes.Repeat([]byte("forged"), wire.MaxChunk)),
		{name: "a state that is none", tell: func(j, _ *played) []amqp.Publishing {
			m := j.reply(&wire.State{Job: j.Leaf.Job, Agent: j.host, State: wire.StateRunning, At: 1_000})
			m.Body = bytes.Replace(m.Body, []byte(`"running"`), []byte(`"ended"`), 1)
			return one(m)
		}},
		{name: "what was not asked for", tell: func(j, _ *played) []amqp.Publishing {
			return one(j.reply(&wire.Checked{Job: j.Leaf.Job, Agent: j.host, WouldRun: true, At: 1_000}))
		}},
		{name: "a hello by a job's id", tell: func(j, _ *played) []amqp.Publishing {
			return one(j.reply(hello(j.host)))
		}},

		// Rejections of another request.
		rejection("a rejection of nothing", func(_, _ *played) []byte { return make([]byte, sha256.Size) }),
		rejection("a rejection of another host's request", func(_, other *played) []byte { return other.Digest[:] }),
		rejection("a rejection of the statement", func(j, _ *played) []byte {
			sum := sha256.Sum256([]byte(j.StatementText))
			return sum[:]
		}),

		// What one host can say without knowing another's job.
		{name: "another host's job by the task's id", tell: func(j, other *played) []amqp.Publishing {
			e := other.ended()
			e.Job = j.Statement.Task
			m := j.reply(e)
			m.CorrelationId = e.Job
			return one(m)
		}},
		{name: "jobs by chance", tell: func(j, _ *played) (all []amqp.Publishing) {
			for range 200 {
				e := j.ended()
				e.Job = uuid.NewString()
				m := j.reply(e)
				m.CorrelationId = e.Job
				all = append(all, m)
			}
			return all
		}},
		{name: "another's job in the body, one's own outside", tell: func(j, other *played) []amqp.Publishing {
			m := j.reply(other.ended())
			m.CorrelationId = j.Leaf.Job
			return one(m)
		}},
		{name: "one's own job in the body, another's outside", tell: func(j, other *played) []amqp.Publishing {
			m := j.forge()
			m.CorrelationId = other.Leaf.Job
			return one(m)
		}},

		// Another agent's word of a job that one agent has.
		foreign("its end", func(j *played) any {
			e := j.ended()
			e.Agent, e.Reason = "evil", "forged"
			return e
		}),
		foreign("that it came too late", func(j *played) any {
			return &wire.Ended{Job: j.Leaf.Job, Agent: "evil", Outcome: wire.Expired, Reason: "forged", EndedAt: 9}
		}),
		foreign("a rejection of the true request", func(j *played) any {
			return &wire.Ended{Job: j.Leaf.Job, Agent: "evil", Outcome: wire.Rejected, Reason: "forged", EndedAt: 9, Request: j.Digest[:]}
		}),
		foreign("that nobody knows it", func(j *played) any {
			return &wire.State{Job: j.Leaf.Job, Agent: "evil", State: wire.StateForgotten, At: 9}
		}),

		// After the true end.
		{name: "another end", late: true, tell: func(j, _ *played) []amqp.Publishing { return one(j.forge()) }},
		{name: "another outcome", late: true, tell: func(j, _ *played) []amqp.Publishing {
			return one(j.reply(&wire.Ended{Job: j.Leaf.Job, Agent: j.host, Outcome: wire.Interrupted, Reason: "forged", EndedAt: 9}))
		}},
		{name: "more output than there was", late: true, tell: func(j, _ *played) []amqp.Publishing {
			return []amqp.Publishing{j.output(wire.Stdout, int64(1000), []byte("forged")), j.output(wire.Stderr, int64(0), []byte("forged"))}
		}},
		{name: "other output in its place", late: true, tell: func(j, _ *played) []amqp.Publishing {
			return one(j.output(wire.Stdout, int64(0), []byte("forged")))
		}},
	}
	return all
}

func hello(agent string, names ...string) *wire.Hello {
	return &wire.Hello{
		Agent: agent, Names: append([]string{agent}, names...), Workers: 1, At: 1_000,
		Facts: wire.Facts{OS: "linux", Arch: "amd64", Version: "0", Hostname: agent, StartedAt: 1},
	}
}

// states are the jobs of a task as another process sees them.
func (p *place) states(id string) map[string]string {
	p.t.Helper()
	r := p.warren("check_task", id, "--json")
	var doc document
	decode(p.t, r.out, &doc)
	states := map[string]string{}
	for _, j := range doc.Jobs {
		var host string
		if err := json.Unmarshal(j["host"], &host); err != nil {
			p.t.Fatal(err)
		}
		states[host] = fmt.Sprintf("%s %s %s %s %s", j["state"], j["outcome"], j["reason"], j["stdout"], j["stderr"])
	}
	return states
}

// Lies of every kind are told to a live operator over the real broker. None is
// believed, the operator stays alive, and each job ends by its agent's true word.
func TestHostileReplies(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	table := lies()
	t.Logf("%d lies", len(table))
	var hosts []string
	for i := range table {
		hosts = append(hosts, fmt.Sprintf("%s%d", p.prefix, i))
	}
	fence, last := p.prefix+"fence", p.prefix+"last"
	everyone := append([]string{fence, last}, hosts...)
	f := newFleet(t, p.broker, everyone)
	w := p.start("run", "true", "--hosts", strings.Join(everyone, " "), "--start-timeout", "10m", "--json")
	f.receive(everyone)
	task := f.jobs[fence].Statement.Task
	eventually(t, func() error {
		for host, state := range p.states(task) {
			if !strings.HasPrefix(state, `"sent"`) {
				return fmt.Errorf("%s: %s", host, state)
			}
		}
		return nil
	})

	for i, l := range table {
		j := f.jobs[hosts[i]]
		if l.begun {
			f.publish(j.replyTo, j.reply(&wire.Started{Job: j.Leaf.Job, Agent: j.host, At: 1_000}))
		}
		if l.late {
			f.publish(j.replyTo, j.reply(j.ended()))
		}
		for _, m := range l.tell(j, f.jobs[fence]) {
			f.publish(j.replyTo, m)
		}
	}
	for i := range 5_000 { // a flood
		f.publish(f.jobs[fence].replyTo, amqp.Publishing{Type: wire.TypeOutput, CorrelationId: fmt.Sprint(i), Body: make([]byte, i)})
	}

	// What comes after them is read after them.
	f.publish(f.jobs[fence].replyTo, f.jobs[fence].reply(f.jobs[fence].ended()))
	var states map[string]string
	eventually(t, func() error {
		if states = p.states(task); !strings.HasPrefix(states[fence], `"ended"`) {
			return fmt.Errorf("the fence: %s", states[fence])
		}
		return nil
	})
	for i, l := range table {
		got, want := states[hosts[i]], `"sent" null null "" ""`
		switch {
		case l.heard:
			want = `"sent" null "its host has refused a request about it: forged" "" ""`
		case l.late:
			want = fmt.Sprintf(`"ended" "exited" null "true %s\n" ""`, hosts[i])
		case l.begun:
			want = `"running" null null "" ""`
		}
		if got != want {
			t.Errorf("believed: %s: %s, want %s", l.name, got, want)
		}
	}

	// The truth.
	for i, l := range table {
		if j := f.jobs[hosts[i]]; !l.late {
			f.publish(j.replyTo, j.reply(j.ended()))
		}
	}
	f.publish(f.jobs[last].replyTo, f.jobs[last].reply(f.jobs[last].ended()))
	if status := ended(t, w); status != 0 {
		t.Errorf("status %d: %s", status, clip(w.Err.String()))
	}
	var doc document
	decode(t, w.Out.String(), &doc)
	for _, host := range everyone {
		wantMembers(t, doc.job(t, host), map[string]string{
			"outcome": `"exited"`, "exit_code": `0`, "reason": `null`, "stdout": fmt.Sprintf(`"true %s\n"`, host), "stderr": `""`,
		})
	}
	if strings.Contains(w.Out.String()+w.Err.String(), "forged") {
		t.Errorf("forged: %s", clip(w.Out.String()))
	}
}

// An agent that answers a discover by another's id, or says that it has another's
// name, is not taken for it without a word; and who answers what nobody has asked
// is not listed.
func TestHostileHellos(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.broker = rabbittest.Vhost(t)
	f := newFleet(t, p.broker, nil)
	q, err := f.ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Also makes the exchanges, which the first operator or agent declares.
	p.want(1, "hosts") // no agent answers
	if err := f.ch.QueueBind(q.Name, "", wire.ExchangeDiscover, false, nil); err != nil {
		t.Fatal(err)
	}
	asked, err := f.ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := p.start("hosts", "--min-hosts", "3") // waits for three: true, twice, and thief, which answers last
	d := <-asked                              // the test's own limit bounds it
	by := func(login, correlation string, h *wire.Hello) {
		typ, body, err := wire.EncodeReply(h)
		if err != nil {
			t.Fatal(err)
		}
		f.publish(d.ReplyTo, amqp.Publishing{Type: typ, CorrelationId: correlation, Body: body, UserId: login})
	}
	answer := func(correlation string, h *wire.Hello) { by("", correlation, h) }
	answer(uuid.NewString(), hello(p.prefix+"unasked"))
	answer(d.CorrelationId, hello(p.prefix+"true"))
	liar := hello(p.prefix + "true")
	liar.Facts.StartedAt, liar.Facts.Hostname = 7, "liar"
	answer(d.CorrelationId, liar)
	// What it says of its files may not be long, nor obeyed by a terminal.
	thief := hello(p.prefix+"thief", p.prefix+"true")
	thief.RefusedFiles = []wire.RefusedFile{{File: wire.RevokedOperators, Problem: wire.FileUnreadable, Path: "/x", Reason: "a\x1b[2J\nb"}}
	many := hello(p.prefix + "many")
	many.V = wire.Version
	many.RefusedFiles = slices.Repeat(thief.RefusedFiles, 1000)
	if body, err := json.Marshal(many); err != nil {
		t.Fatal(err)
	} else {
		f.publish(d.ReplyTo, amqp.Publishing{Type: wire.TypeHello, CorrelationId: d.CorrelationId, Body: body})
	}
	by("guest", d.CorrelationId, hello(p.prefix+"twice"))
	by("", d.CorrelationId, hello(p.prefix+"twice")) // for whom nobody vouches
	f.publish(d.ReplyTo, amqp.Publishing{Type: wire.TypeHello, CorrelationId: d.CorrelationId, Body: fmt.Appendf(nil, `{"v":1,"agent":"%shuge","x":"%s"}`, p.prefix, make([]byte, wire.MaxHello))})
	answer(d.CorrelationId, thief)
	if status := ended(t, w); status != 0 {
		t.Fatalf("status %d: %s", status, w.Err.String())
	}
	has(t, w.Out.String(), p.prefix+"true", p.prefix+"thief")
	if out := w.Out.String(); strings.Contains(out, "unasked") || strings.Contains(out, "liar") || strings.Contains(out, "many") || strings.Contains(out, "huge") {
		t.Errorf("listed: %s", w.Out.String())
	}
	has(t, w.Err.String(),
		fmt.Sprintf("2 agents answered with the id %strue", p.prefix),
		fmt.Sprintf("%strue is also claimed by %[1]sthief", p.prefix),
		p.prefix+`thief refuses its revoked_operators: a\x1b[2J`,
		fmt.Sprintf("two logins at the broker answer as %stwice", p.prefix))
}

// One login answers a question to all by thousands of invented ids, each answer as large
// as may be. The operator takes little of it, says so, and hears the others.
func TestFloodOfHellos(t *testing.T) {
	p := newPlace(t)
	p.broker = rabbittest.Vhost(t)
	u, err := rabbittest.Node(t).AddUser(t.Context(), t.Name(), "evil", "pw", ".*", ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, u, nil)
	q, err := f.ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := p.agent("a") // it makes the exchanges
	if err := f.ch.QueueBind(q.Name, "", wire.ExchangeDiscover, false, nil); err != nil {
		t.Fatal(err)
	}
	asked, err := f.ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := p.start("hosts", "--hosts", host+" "+p.prefix+"nobody")
	d := <-asked // the test's own limit bounds it
	began := time.Now()
	for i := range 4_300 {
		h := hello(fmt.Sprintf("%sinvented%d", p.prefix, i))
		h.Facts.Labels = map[string]string{}
		for j := range 32 {
			h.Facts.Labels[fmt.Sprint(j)] = strings.Repeat("x", wire.MaxFact)
		}
		typ, body, err := wire.EncodeReply(h)
		if err != nil {
			t.Fatal(err)
		}
		f.publish(d.ReplyTo, amqp.Publishing{Type: typ, CorrelationId: d.CorrelationId, Body: body, UserId: "evil"})
	}
	ended(t, w)
	t.Logf("%s after the first of them: %s", time.Since(began), w.Err.String())
	has(t, w.Out.String(), host)
	info, err := os.Stat(filepath.Join(p.data, "results.db"))
	if err != nil || info.Size() > 64<<20 {
		t.Errorf("the database has %d bytes, %v", info.Size(), err)
	}
}
