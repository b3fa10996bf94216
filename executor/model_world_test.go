package executor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// world is everything but the code under test: the broker, the machines and the
// result store. mu guards all of it; no goroutine holds mu while it waits.
type world struct {
	t        *testing.T
	mu       sync.Mutex
	over     bool
	trace    []line
	born     time.Time
	script   script
	machines []*machine
	op       *operator // nil while it is down
	replies  map[string]*operator
	ops      int
	nRequest int // publications so far
	nReply   int
	running  sync.WaitGroup

	tasks map[string]*model.Task
	plans map[string]taskPlan
	order []string // of tasks
	jobs  map[string]*modelJob

	runs      map[string]int       // executions of a job
	sent      map[string]int       // requests about a job
	asked     map[string]time.Time // the last of them
	unwritten []modelAcker         // runs acknowledged that the journal had not
	forgotten map[string]bool      // its agent has said so
	answered  map[string]bool      // its agent has said something of it
	conflicts []conflict
	failures  []error
	disturbed bool // an operator or its link was down
}

type conflict struct {
	job    *modelJob
	had    wire.Outcome
	got    wire.Outcome
	reason string
}

func newWorld(t *testing.T, s script) *world {
	w := &world{
		t: t, script: s, born: time.Now(), replies: map[string]*operator{}, tasks: map[string]*model.Task{}, plans: map[string]taskPlan{},
		jobs: map[string]*modelJob{}, runs: map[string]int{}, sent: map[string]int{},
		asked: map[string]time.Time{}, answered: map[string]bool{}, forgotten: map[string]bool{},
	}
	for i, p := range s.Machines {
		m := &machine{world: w, name: fmt.Sprintf("web%02d", i), plan: p, dir: t.TempDir()}
		m.setClock(p.Skew)
		m.disk = &platter{created: m.now().Add(-2 * time.Hour), takes: p.Sync, begun: map[string]bool{}}
		m.disk.hold(m.name, m.now())
		w.machines = append(w.machines, m)
		m.start()
	}
	time.Sleep(time.Millisecond)
	w.startOperator()
	return w
}

// A line is something that has happened to a job.
type line struct {
	at   time.Duration
	job  string
	text string
}

// tracef adds to the story of a job. Its caller has the lock.
func (w *world) tracef(job, format string, args ...any) {
	w.trace = append(w.trace, line{time.Since(w.born), job, fmt.Sprintf(format, args...)})
}

// failf notes a failure; its caller has the lock.
func (w *world) failf(format string, args ...any) {
	w.failures = append(w.failures, fmt.Errorf(format, args...))
}

func (w *world) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) > 0 {
		return w.failures[0]
	}
	return nil
}

// machine is the one that a name belongs to.
func (w *world) machine(name string) *machine {
	for _, m := range w.machines {
		if m.name == name {
			return m
		}
	}
	return nil
}

// open finds a job of which something is true.
func (w *world) open(is func(*modelJob) bool) *modelJob {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.jobs {
		if is(j) {
			return j
		}
	}
	return nil
}

// later calls f, unless the world has ended by then.
func (w *world) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		over := w.over
		if !over {
			w.running.Add(1)
		}
		w.mu.Unlock()
		if !over {
			defer w.running.Done()
			f()
		}
	})
}

func (w *world) happen(e event) {
	m := w.machines[e.Who%len(w.machines)]
	switch e.What {
	case submit:
		w.submit(e.Task)
	case kill, powerOff:
		m.crash(e)
	case stopAgent:
		m.leave(e)
	case cutAgent:
		m.cut(e.Down, e.Ghost)
	case diskFull:
		m.disk.fill(e.Who, e.Down)
	case killOp:
		w.disturb()
		w.killOperator(e.Down)
	case cutOp:
		w.disturb()
		if op := w.operator(); op != nil {
			op.cut(e.Down)
		}
	case look:
		w.look()
	case setClock:
		m.setClock(e.Skew)
	case cancelOne:
		w.cancel(e.Who)
	}
}

func (w *world) disturb() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbed = true
}

// heal has everybody up.
func (w *world) heal() {
	w.mu.Lock()
	w.script.Requests, w.script.Replies = nil, nil
	w.mu.Unlock()
}

// end stops everybody and waits.
func (w *world) end() {
	w.mu.Lock()
	for _, a := range w.unwritten {
		if a.m.life == a.l && !w.forgotten[a.job] && !a.m.disk.knows(a.job, func(*journalRecord) bool { return true }) {
			w.failf("acknowledged, and not in the journal: %s", a.job)
		}
	}
	w.over = true
	w.mu.Unlock()
	if op := w.operator(); op != nil {
		op.kill()
	}
	for _, m := range w.machines {
		m.crash(event{What: kill})
	}
	w.running.Wait()
}

// fate is what becomes of the next publication.
func (w *world) fate(fates []fate, n *int) fate {
	*n++
	if *n <= len(fates) {
		return fates[*n-1]
	}
	return arrives
}

// request takes what an operator publishes.
func (w *world) request(s *wireSession, p *broker.Publication) {
	w.mu.Lock()
	f := w.fate(w.script.Requests, &w.nRequest)
	m, inbox := w.addressee(p.Key)
	kind := f.Verdict
	if there := m != nil && (inbox && m.plan.Inbox || !inbox && m.hasQueue()); !there && kind != broker.Unconfirmed {
		kind = broker.Returned
	}
	w.sent[p.Msg.CorrelationId]++
	w.sentAgain(p.Msg.CorrelationId)
	w.tracef(p.Msg.CorrelationId, "to %s a %s: %s, %d copies", p.Key, p.Msg.Type, kind, len(f.Copies))
	if n, j := w.sent[p.Msg.CorrelationId], w.jobs[p.Msg.CorrelationId]; j != nil && n > 100+3*int(time.Since(j.created)/time.Second) {
		w.failf("%d requests within %s, the last a %s: %s", n, time.Since(j.created), p.Msg.Type, j)
		w.mu.Unlock()
		return // so that it ends
	}
	w.mu.Unlock()
	s.answer(w, p, kind, f.After)
	if m == nil || kind == broker.Returned || kind == broker.Nacked {
		return
	}
	for _, d := range f.Copies {
		w.later(d, func() { m.arrive(inbox, p.Msg) })
	}
}

// sentAgain checks against the clock when a request is repeated for a job without an answer.
// The caller holds the lock.
func (w *world) sentAgain(job string) {
	const longest = 25 * time.Second // the longest pause, and the longest verdict
	last := w.asked[job]
	w.asked[job] = time.Now()
	j := w.jobs[job]
	if j == nil || j.State == model.Ended || last.IsZero() || w.answered[job] || w.plans[j.Task].Online || w.disturbed {
		return
	}
	if d := time.Since(last); d > longest {
		w.failf("nobody has answered, and it was not sent again for %s: %s", d, j)
	}
}

func (w *world) addressee(key string) (m *machine, inbox bool) {
	for _, m := range w.machines {
		switch key {
		case wire.HostKey(m.name):
			return m, false
		case wire.InboxKey(m.name):
			return m, true
		}
	}
	return nil, false
}

// reply takes what an agent publishes.
func (w *world) reply(m *machine, l *life, s *wireSession, p *broker.Publication) {
	w.mu.Lock()
	if l.dead {
		w.mu.Unlock()
		return
	}
	f := w.fate(w.script.Replies, &w.nReply)
	kind := f.Verdict
	op := w.replies[p.Key]
	if there := op != nil && op.up; !there && kind != broker.Unconfirmed {
		kind = broker.Returned
	}
	m.wrote(p)
	w.answered[p.Msg.CorrelationId] = true
	w.tracef(p.Msg.CorrelationId, "%s answers %s to %s: %s, %d copies", m.name, p.Msg.Type, p.Key, kind, len(f.Copies))
	w.mu.Unlock()
	s.answer(w, p, kind, f.After)
	if op == nil || kind == broker.Returned || kind == broker.Nacked {
		return
	}
	for _, d := range f.Copies {
		w.later(d, func() { op.arrive(p.Msg) })
	}
}

// wireSession is one connection to the broker.
type wireSession struct {
	ctx   context.Context
	close context.CancelFunc
}

func newSession() *wireSession {
	ctx, cancel := context.WithCancel(context.Background())
	return &wireSession{ctx, cancel}
}

// answer gives the verdict on p after some time: Unconfirmed where the session
// is over by then.
func (s *wireSession) answer(w *world, p *broker.Publication, k broker.Kind, after time.Duration) {
	give := func(k broker.Kind) {
		select {
		case p.Answer <- broker.Verdict{Ref: p.Ref, Kind: k}:
		default: // its receiver has ended
		}
	}
	timer := time.NewTimer(after)
	w.running.Add(1)
	go func() {
		defer w.running.Done()
		defer timer.Stop()
		select {
		case <-timer.C:
			give(k)
		case <-s.ctx.Done():
			give(broker.Unconfirmed)
		}
	}()
}

// A message is one copy of a request in a queue.
type message struct {
	amqp.Delivery
	tag uint64
}

func env(list []string, name string) string {
	for _, kv := range list {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
