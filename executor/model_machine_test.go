package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/agent/uptime"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/wire"
)

// A machine has a disk and a clock, and runs an agent that ends and starts again. world.mu
// guards all fields without another comment.
type machine struct {
	world   *world
	name    string      // fixed
	plan    machinePlan // fixed
	dir     string      // fixed; outputs
	disk    *platter    // has its own lock
	clock   sync.Mutex
	skew    time.Duration // under clock
	boots   int           // under clock; how often it was started
	life    *life         // nil while it is down
	queue   *queue
	ghost   time.Time // until when the broker keeps the last connection after it has died
	noLink  time.Time // until when the machine has no connection
	inbox   []message
	tag     uint64
	wiped   bool // its journal was lost at least once
	powered bool // its power was lost at least once
	wild    bool // its clock differed by more than the tolerance
}

// A life is an agent from its start to its end.
type life struct {
	dead  bool // killed: its actions have no effect any more
	agent *Agent
	loop  *loop // owned by its goroutine
	out   chan *broker.Publication
	file  *lifeFile
	stop  context.CancelFunc
	kill  context.CancelFunc
	gone  context.Context // done once its link is stopped or killed
	over  chan struct{}   // closed once its goroutines have ended
}

func (m *machine) now() time.Time {
	m.clock.Lock()
	defer m.clock.Unlock()
	return time.Now().Add(m.skew)
}

// uptime reads the machine's clock that cannot be set. The caller does not hold the lock.
func (m *machine) uptime() uptime.Reading {
	m.clock.Lock()
	defer m.clock.Unlock()
	return uptime.Reading{Boot: fmt.Sprint(m.name, " ", m.boots), Up: time.Since(m.world.born)}
}

// setClock sets the clock. That it is wild must be known before an agent reads it.
func (m *machine) setClock(skew time.Duration) {
	m.world.mu.Lock()
	m.wild = m.wild || skew.Abs() > modelTolerance
	m.world.mu.Unlock()
	m.clock.Lock()
	defer m.clock.Unlock()
	m.skew = skew
}

// start brings the agent up on what the disk has.
func (m *machine) start() {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || m.life != nil {
		return
	}
	l := &life{out: make(chan *broker.Publication), over: make(chan struct{})}
	var err error
	l.agent, err = New(Config{
		ID: m.name, AllowUnsigned: true, Broker: broker.Options{Dial: dial.Options{URLs: []string{"amqp://127.0.0.1/"}}}, Inbox: m.plan.Inbox,
		Limits: Limits{Workers: m.plan.Workers, Queue: m.plan.Queue, Retention: m.plan.Retention}, Now: m.now, Uptime: m.uptime,
		Runner: func(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
			return m.execute(ctx, l, s, started, out)
		},
	})
	if err != nil {
		w.failf("agent: %w", err)
		return
	}
	b := jobtable.New(l.agent.cfg.tableOptions())
	var records [][]byte
	var created time.Time
	var isNew bool
	l.file, records, created, isNew = m.disk.open()
	for _, r := range records {
		if err := b.Replay(r); err != nil {
			w.failf("replay: %w", err)
		}
	}
	b.Start(created, isNew, l.agent.cfg.now())
	kept, err := outputlog.Open(m.dir, 1<<20, b.LastOutputSegment())
	if err != nil {
		w.failf("outputs: %w", err)
		return
	}
	m.life = l
	stop, cancelStop := context.WithCancel(context.Background())
	work, cancelWork := context.WithCancel(context.Background())
	gone, leave := context.WithCancel(context.Background())
	l.stop, l.kill, l.gone = cancelStop, cancelWork, gone
	loop := newLoop(l.agent, b, kept, l.file)
	loop.replies.publisher, l.loop = l.out, loop
	var all sync.WaitGroup
	all.Go(func() {
		defer leave()
		if err := loop.run(stop, work); err != nil {
			w.mu.Lock()
			w.failf("agent's loop: %w", err)
			w.mu.Unlock()
		}
	})
	all.Go(func() { m.connect(l) })
	go func() {
		all.Wait()
		cancelStop()
		cancelWork()
		close(l.over)
	}()
}

// crash ends the agent without a word.
func (m *machine) crash(e event) {
	w := m.world
	w.mu.Lock()
	l := m.life
	if l == nil {
		w.mu.Unlock()
		return
	}
	m.life, l.dead = nil, true
	m.disk.crash(l.file, e.Tail, e.What == powerOff)
	m.ghost = time.Now().Add(e.Ghost)
	m.powered = m.powered || e.What == powerOff
	if e.What == powerOff {
		m.clock.Lock()
		m.boots++
		m.clock.Unlock()
	}
	w.mu.Unlock()
	l.kill()
	<-l.over
	if e.What == powerOff && e.Tail == 0 {
		if err := m.losePower(); err != nil {
			w.t.Error(err)
		}
	}
	m.back(e)
}

// leave stops the agent politely. It may be killed while it does.
func (m *machine) leave(e event) {
	w := m.world
	w.mu.Lock()
	l := m.life
	w.mu.Unlock()
	if l == nil {
		return
	}
	l.stop()
	w.running.Add(1)
	go func() {
		defer w.running.Done()
		<-l.over
		w.mu.Lock()
		mine := m.life == l && !l.dead
		if mine {
			m.life = nil
			m.disk.crash(l.file, 1<<30, false)
		}
		w.mu.Unlock()
		if mine {
			m.back(e)
		}
	}()
}

// back has the agent started again.
func (m *machine) back(e event) {
	m.world.later(e.Down, func() {
		m.setClock(e.Skew)
		if e.Wiped {
			m.world.mu.Lock()
			m.wiped = true
			m.world.mu.Unlock()
			m.disk.wipe(m.now())
		}
		m.start()
	})
}

// execute is the Runner: what counts is that it is called.
func (m *machine) execute(ctx context.Context, l *life, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
	w := m.world
	id := env([]string{s.Mark}, "WARREN_JOB")
	w.mu.Lock()
	if l.dead {
		w.mu.Unlock()
		return process.Result{Canceled: true}
	}
	w.runs[id]++
	w.tracef(id, "%s executes it", m.name)
	plan := w.plans[env(s.Env, "WARREN_TASK")]
	w.mu.Unlock()
	begun := m.now()
	// Of another boot, so that the agent does not look for it among the running processes.
	started(process.Identity{PID: 1 << 22, Start: "model/1"})
	text := printed(id, plan.Prints)
	half := len(text) / 2
	chunk := func(from, to int) process.Chunk {
		return process.Chunk{Stream: wire.Stdout, Offset: int64(from), Data: text[from:to]}
	}
	if half > 0 {
		out(chunk(0, half))
	}
	r := process.Result{Started: true, StartedAt: begun}
	var expired <-chan time.Time // never, without a timeout
	if s.Timeout > 0 {
		timeout := time.NewTimer(s.Timeout)
		defer timeout.Stop()
		expired = timeout.C
	}
	end := time.NewTimer(plan.Takes)
	defer end.Stop()
	select {
	case <-end.C:
	case <-expired:
		r.TimedOut = true
	case <-ctx.Done():
		r.Canceled = true
	}
	r.EndedAt = m.now()
	r.Stdout.Size = int64(half)
	if !r.TimedOut && !r.Canceled && len(text) > half {
		r.Rest = []process.Chunk{chunk(half, len(text))}
		r.Stdout.Size = int64(len(text))
	}
	return r
}

// printed is what a job writes.
func printed(job string, n int) []byte {
	return []byte(strings.Repeat(job, n/len(job)+1)[:n])
}

// A queue is a host queue and its consumer's session.
type queue struct {
	session  *wireSession
	messages []amqp.Publishing
	inbox    int           // messages of the inbox that this session has had
	more     chan struct{} // capacity 1
}

func (m *machine) hasQueue() bool { return m.queue != nil || time.Now().Before(m.ghost) }

// arrive puts a copy of a request where the agent finds it, or nowhere.
func (m *machine) arrive(inbox bool, p amqp.Publishing) {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case inbox:
		m.tag++
		m.inbox = append(m.inbox, message{toDelivery(p), m.tag})
	case m.queue != nil:
		m.queue.messages = append(m.queue.messages, p)
	}
	m.wake()
}

func (m *machine) wake() {
	if m.queue != nil {
		select {
		case m.queue.more <- struct{}{}:
		default:
		}
	}
}

func toDelivery(p amqp.Publishing) amqp.Delivery {
	return amqp.Delivery{Type: p.Type, CorrelationId: p.CorrelationId, ReplyTo: p.ReplyTo, Body: p.Body}
}

// cut breaks the link for a while.
func (m *machine) cut(down, ghost time.Duration) {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	m.noLink = time.Now().Add(down)
	if m.queue != nil {
		m.ghost = time.Now().Add(ghost)
		m.queue.session.close()
	}
}

// connect holds one session after the other until the life ends.
func (m *machine) connect(l *life) {
	w := m.world
	for {
		w.mu.Lock()
		wait := max(time.Until(m.ghost), time.Until(m.noLink), 0)
		w.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-l.gone.Done():
			return
		}
		q := &queue{session: newSession(), more: make(chan struct{}, 1)}
		stop := context.AfterFunc(l.gone, q.session.close)
		w.mu.Lock()
		m.queue = q
		m.wake()
		w.mu.Unlock()
		var g sync.WaitGroup
		g.Go(func() { m.consume(l, q) })
		g.Go(func() { m.publish(l, q) })
		g.Wait()
		w.mu.Lock()
		m.queue = nil
		w.mu.Unlock()
		stop()
		if l.gone.Err() != nil {
			return
		}
	}
}

func (m *machine) publish(l *life, q *queue) {
	for {
		select {
		case p := <-l.out:
			for _, d := range p.Acks {
				_ = d.Ack(false)
			}
			m.world.reply(m, l, q.session, p)
		case <-q.session.ctx.Done():
			return
		}
	}
}

// consume hands over requests in the order of session.go: names, the inbox to
// its end, then whatever comes.
func (m *machine) consume(l *life, q *queue) {
	done := q.session.ctx.Done()
	select {
	case l.agent.sessions <- connection{[]string{m.name}, done}:
	case <-done:
		return
	}
	for drained := !m.plan.Inbox; ; {
		d, ok := m.take(l, q, !drained)
		switch {
		case ok:
			select {
			case l.agent.deliveries <- d:
			case <-done:
				return
			}
		case !drained:
			drained = true
			select {
			case l.agent.drained <- struct{}{}:
			case <-done:
				return
			}
		default:
			select {
			case <-q.more:
			case <-done:
				return
			}
		}
	}
}

// take returns the next request: from the host queue, unless the agent drains the inbox
// first. While it drains the inbox, it reads the host queue too.
func (m *machine) take(l *life, q *queue, draining bool) (d delivery, ok bool) {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(q.messages) > 0:
		d = delivery{Delivery: toDelivery(q.messages[0]), queue: wire.HostQueue(m.name)}
		q.messages = q.messages[1:]
		d.Acknowledger = modelAcker{m, l, q, 0, d.Type, d.CorrelationId}
	case m.plan.Inbox && q.inbox < len(m.inbox):
		msg := m.inbox[q.inbox]
		q.inbox++
		d = delivery{Delivery: msg.Delivery, queue: wire.InboxQueue(m.name), inbox: true, held: draining}
		d.Acknowledger = modelAcker{m, l, q, msg.tag, d.Type, d.CorrelationId}
	default:
		return delivery{}, false
	}
	d.name, d.Exchange, d.RoutingKey = m.name, wire.ExchangeHosts, wire.HostKey(m.name)
	return d, true
}

// modelAcker takes an acknowledgement, and holds it against the journal.
type modelAcker struct {
	m        *machine
	l        *life
	q        *queue
	tag      uint64 // in the inbox; 0: not from there
	typ, job string
}

func (a modelAcker) Ack(uint64, bool) error {
	w := a.m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.l.dead || a.q.session.ctx.Err() != nil {
		return errors.New("the session is over")
	}
	if a.typ == wire.TypeRun && !a.m.disk.knows(a.job, func(*journalRecord) bool { return true }) {
		w.unwritten = append(w.unwritten, a) // unless its agent says that it is forgotten
	}
	before := len(a.m.inbox)
	a.m.inbox = slices.DeleteFunc(a.m.inbox, func(x message) bool { return x.tag == a.tag })
	a.q.inbox -= before - len(a.m.inbox)
	return nil
}

func (a modelAcker) Nack(uint64, bool, bool) error { return errors.New("nobody nacks") }
func (a modelAcker) Reject(uint64, bool) error     { return errors.New("nobody rejects") }

// wrote checks a reply against the journal: the end of a job is in the journal before the
// agent sends it. The caller holds the lock.
func (m *machine) wrote(p *broker.Publication) {
	v, err := wire.DecodeReply(p.Msg.Type, p.Msg.Body, p.Msg.Headers, p.Msg.CorrelationId)
	if err != nil {
		m.world.failf("our own reply: %w", err)
	}
	if st, ok := v.(*wire.State); ok && st.State == wire.StateForgotten {
		m.world.forgotten[st.Job] = true
	}
	if e, ok := v.(*wire.Ended); ok && e.Outcome == wire.Rejected && (m.wild || strings.HasPrefix(e.Reason, "its time was up")) {
		return // of a question that came late, or by a clock that differs too much; the journal knows nothing of it
	} else if ok && !m.disk.knows(e.Job, func(r *journalRecord) bool { return r.Ended != nil && r.Ended.Outcome == e.Outcome }) {
		m.world.failf("said %s (%s) before it was in the journal: %s", e.Outcome, e.Reason, e.Job)
	}
}

// losePower takes away what of the outputs was not safe: in the worst case all.
func (m *machine) losePower() error {
	files, err := filepath.Glob(filepath.Join(m.dir, "*.output"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
