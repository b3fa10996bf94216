package replybus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/operator/results"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
	"warren/replybus"
)

const patience = 2 * time.Minute // on a busy machine too: it costs only where a test fails

// A store hands what the bus gives it to the test, which answers.
type store struct {
	refuses error // what it says of each hello
	applied chan application
	hellos  chan *wire.Hello
}

type application struct {
	updates []results.Update
	commit  chan<- error // one slot
}

func (s *store) Apply(ctx context.Context, us []results.Update) (<-chan error, error) {
	answer := make(chan error, 1)
	select {
	case s.applied <- application{us, answer}:
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *store) SawCheck(context.Context, string, any) (bool, error) { return false, nil }

func (s *store) SawAgent(ctx context.Context, _ string, h *wire.Hello, _ string) error {
	if s.refuses != nil {
		return s.refuses
	}
	select {
	case s.hellos <- h:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A rig is a bus on the real broker, and a publisher that plays the agents.
type rig struct {
	t     *testing.T
	bus   *replybus.Bus
	store *store
	queue string
	log   *logText
	ch    *amqp.Channel
	acks  chan amqp.Confirmation
}

// logText is what the bus logs.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, log: new(logText), queue: wire.ReplyQueue("test", uuid.NewString()),
		store: &store{applied: make(chan application), hellos: make(chan *wire.Hello)},
	}
	var err error
	opts := broker.Options{Dial: dial.Options{URLs: []string{rabbittest.Node(t).URL()}, Name: "replybus test"}}
	r.bus, err = replybus.New(opts, r.queue, r.store, nil, slog.New(slog.NewTextHandler(r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run starts the bus; it is stopped with the test.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.bus.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := receive(r.t, ended); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	})
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// until waits for a state of the link, from state s on.
func (r *rig) until(s *broker.State, what string, is func(*broker.State) bool) *broker.State {
	r.t.Helper()
	late := time.After(patience)
	for !is(s) {
		select {
		case <-s.Changed():
			s = s.Next()
		case <-late:
			r.t.Fatalf("the link is not %s but %s: %v", what, s.Phase, s.Err)
		}
	}
	return s
}

func isUp(s *broker.State) bool { return s.Phase == broker.Up }

// dial gives the test a channel of its own.
func (r *rig) dial() *amqp.Channel {
	r.t.Helper()
	conn, err := amqp.Dial(rabbittest.Node(r.t).URL())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() }) // an error where the broker has closed it
	ch, err := conn.Channel()
	if err != nil {
		r.t.Fatal(err)
	}
	return ch
}

func (r *rig) connectAgent() {
	r.t.Helper()
	r.ch = r.dial()
	if err := r.ch.Confirm(false); err != nil {
		r.t.Fatal(err)
	}
	r.acks = r.ch.NotifyPublish(make(chan amqp.Confirmation, 1))
}

// publish sends a message as an agent does and waits until the broker has it.
func (r *rig) publish(m amqp.Publishing) {
	r.t.Helper()
	if err := r.ch.PublishWithContext(r.t.Context(), wire.ExchangeReplies, r.queue, true, false, m); err != nil {
		r.t.Fatal(err)
	}
	if c := receive(r.t, r.acks); !c.Ack {
		r.t.Fatal("refused")
	}
}

// reply sends a reply about a new job and returns the job.
func (r *rig) reply() (job string) {
	r.t.Helper()
	job = uuid.NewString()
	r.publish(accepted(r.t, job))
	return job
}

func accepted(t *testing.T, job string) amqp.Publishing {
	t.Helper()
	typ, body, err := wire.EncodeReply(&wire.Accepted{V: wire.Version, Job: job, Agent: "web01", At: time.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Publishing{Type: typ, Body: body, CorrelationId: job, ContentType: wire.ContentJSON, AppId: wire.AppID}
}

// held asks the broker how many messages of the queue are ready or not yet
// acknowledged.
func (r *rig) held() string {
	r.t.Helper()
	n, err := rabbittest.Node(r.t).Eval(r.t.Context(), fmt.Sprintf(
		`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)), [{_, N}] = rabbit_amqqueue:info(Q, [messages]), N.`, r.queue))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// empty waits until the broker holds nothing any more: an acknowledgement takes
// its time.
func (r *rig) empty() {
	r.t.Helper()
	late := time.Now().Add(patience)
	for n := r.held(); n != "0"; n = r.held() { // each question takes the broker a moment
		if time.Now().After(late) {
			r.t.Fatalf("the broker still holds %s messages", n)
		}
	}
}

func wantJobs(t *testing.T, a application, jobs ...string) {
	t.Helper()
	var got []string
	for _, u := range a.updates {
		got = append(got, u.Job)
		if _, ok := u.Reply.(*wire.Accepted); !ok {
			t.Errorf("reply %T", u.Reply)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(jobs) {
		t.Errorf("updates of %v, want %v", got, jobs)
	}
}

// What is not committed stays with the broker. What the store could not commit is given
// to it again, in order, before anything else.
func TestAcknowledgedOnceCommitted(t *testing.T) {
	r := newRig(t)
	r.run()
	r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	holds := func(when, want string) {
		t.Helper()
		if n := r.held(); n != want {
			t.Errorf("%s the broker holds %s messages, want %s", when, n, want)
		}
	}
	first := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, first)
	second, third, fourth := r.reply(), r.reply(), r.reply() // while the store commits
	holds("before the commit", "4")
	r.notApplied("while a batch is in flight")
	a.commit <- nil
	var together []string                       // the broker may hand them over in several batches
	for n := r.held(); n != "3"; n = r.held() { // an acknowledgment takes its time
		if n < "3" {
			t.Fatalf("after the first commit the broker holds %s messages", n)
		}
	}
	a = receive(t, r.store.applied)
	for _, u := range a.updates {
		together = append(together, u.Job)
	}
	a.commit <- errors.New("disk full")
	fifth := r.reply() // not taken before the others are committed
	a = receive(t, r.store.applied)
	wantJobs(t, a, together...)
	holds("after a failed commit", "4")
	if log := r.log.String(); strings.Count(log, "disk full") != 1 {
		t.Errorf("the log does not report it once: %s", log)
	}
	a.commit <- nil
	for len(together) < 4 {
		a = receive(t, r.store.applied)
		for _, u := range a.updates {
			together = append(together, u.Job)
		}
		a.commit <- nil
	}
	if want := []string{second, third, fourth, fifth}; fmt.Sprint(together) != fmt.Sprint(want) {
		t.Errorf("updates of %v, want %v", together, want)
	}
	r.empty()
}

// notApplied checks that the store is given nothing for now.
func (r *rig) notApplied(when string) {
	r.t.Helper()
	select {
	case a := <-r.store.applied:
		r.t.Errorf("%s the store is given %d updates", when, len(a.updates))
	case <-time.After(100 * time.Millisecond):
	}
}

// Any client can publish to the exchange. The bus drops messages that are no replies, and
// delivers the replies behind them.
func TestMessagesThatAreNoRepliesAreDropped(t *testing.T) {
	r := newRig(t)
	r.run()
	r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	job := uuid.NewString()
	with := func(change func(m *amqp.Publishing)) amqp.Publishing {
		m := accepted(t, job)
		change(&m)
		return m
	}
	for _, m := range []amqp.Publishing{
		{},
		{Type: wire.TypeAccepted, Body: []byte("not JSON"), CorrelationId: job},
		{Type: wire.TypeOutput, Body: make([]byte, wire.MaxChunk+1), CorrelationId: job, Headers: amqp.Table{wire.HeaderStream: "stdout", wire.HeaderOffset: int64(0)}},
		{Type: wire.TypeOutput, Body: []byte("x"), CorrelationId: job},
		{Type: wire.TypeOutput, Body: []byte("x"), CorrelationId: job, Headers: amqp.Table{wire.HeaderStream: "stdout", wire.HeaderOffset: int64(-1)}},
		{Type: wire.TypeOutput, Body: []byte("x"), CorrelationId: job, Headers: amqp.Table{wire.HeaderStream: 7, wire.HeaderOffset: "0"}},
		{Type: wire.TypeEnded, Body: make([]byte, wire.MaxReply+1), CorrelationId: job},
		with(func(m *amqp.Publishing) { m.Type = strings.Repeat("x", 200) }),
		with(func(m *amqp.Publishing) { m.CorrelationId = uuid.NewString() }), // another's job
		with(func(m *amqp.Publishing) { m.CorrelationId = "" }),
		with(func(m *amqp.Publishing) { m.Body = []byte(strings.Replace(string(m.Body), `"v":1`, `"v":2`, 1)) }),
		with(func(m *amqp.Publishing) { m.Body = append(m.Body, '{') }),
	} {
		r.publish(m)
	}
	good := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, good)
	a.commit <- nil
	r.empty()
	if n := strings.Count(r.log.String(), "dropped a message that is no reply"); n != 12 {
		t.Errorf("%d were logged as dropped, want 12:\n%s", n, r.log.String())
	}
}

func TestHelloReachesStore(t *testing.T) {
	r := newRig(t)
	r.run()
	r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	r.hello()
	if h := receive(t, r.store.hellos); h.Agent != "web01" || len(h.Names) != 2 {
		t.Errorf("%+v", h)
	}
	r.empty()
}

// An answer that the store cannot take, as on a full disk, costs neither the connection nor the
// replies beside it.
func TestHelloThatTheStoreRefusesIsDropped(t *testing.T) {
	r := newRig(t)
	r.store.refuses = errors.New("disk full")
	r.run()
	r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	up := r.bus.Link()
	r.hello()
	job := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, job)
	a.commit <- nil
	r.empty()
	if log := r.log.String(); !strings.Contains(log, "dropped a hello") || r.bus.Link() != up {
		t.Errorf("the link is %+v; the log: %s", r.bus.Link(), log)
	}
}

// hello publishes the answer of an agent to a question for all.
func (r *rig) hello() {
	t := r.t
	t.Helper()
	typ, body, err := wire.EncodeReply(&wire.Hello{
		V: wire.Version, Agent: "web01", Names: []string{"web01", "10.0.0.7"}, Workers: 4, At: time.Now().UnixMilli(),
		Facts: wire.Facts{OS: "linux", Arch: "amd64", Version: "0.1.0", Hostname: "web01", StartedAt: time.Now().UnixMilli()},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.publish(amqp.Publishing{Type: typ, Body: body, CorrelationId: uuid.NewString(), ContentType: wire.ContentJSON, AppId: wire.AppID})
}

// After a lost connection the queue, its binding and its consumer are declared again,
// under the same name.
func TestReconnectsAfterLostConnection(t *testing.T) {
	r := newRig(t)
	r.run()
	up := r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	lost := r.reply() // given to the store, which never commits it
	interrupted := receive(t, r.store.applied)
	wantJobs(t, interrupted, lost)
	r.closeConnections(up)
	down := r.until(up, "down", func(s *broker.State) bool { return s.Phase == broker.Connecting })
	if !errors.Is(down.Err, broker.ErrLost) {
		t.Errorf("the link is down with %v", down.Err)
	}
	interrupted.commit <- nil // the bus has stopped waiting for it
	r.until(down, "up again", isUp)
	r.connectAgent()
	job := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, job)
	a.commit <- nil
	r.empty()
}

// A queue that is deleted while the bus waits for replies, or that loses its consumer,
// is declared again, and watchers of the link see it.
func TestLostQueueIsDeclaredAgain(t *testing.T) {
	for name, damage := range map[string]func(n *rabbit.Node, ctx context.Context, vhost, queue string) error{
		"deleted":     (*rabbit.Node).DeleteQueue,
		"no consumer": (*rabbit.Node).LoseConsumers,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.run()
			up := r.until(r.bus.Link(), "up", isUp)
			if err := damage(rabbittest.Node(t), t.Context(), "/", r.queue); err != nil {
				t.Fatal(err)
			}
			down := r.until(up, "down", func(s *broker.State) bool { return s.Phase == broker.Connecting })
			if !errors.Is(down.Err, broker.ErrLost) || !strings.Contains(down.Err.Error(), r.queue) {
				t.Errorf("the link is down with %v", down.Err)
			}
			r.until(down, "up again", isUp)
			r.connectAgent()
			job := r.reply()
			a := receive(t, r.store.applied)
			wantJobs(t, a, job)
			a.commit <- nil
		})
	}
}

// closeConnections has the broker close all connections until the link has changed: a
// busy broker may not know yet of one that is up.
func (r *rig) closeConnections(up *broker.State) {
	r.t.Helper()
	late := time.After(patience)
	for {
		if _, err := rabbittest.Node(r.t).Eval(r.t.Context(), `rabbit_networking:close_all_user_connections(<<"guest">>, <<"test">>).`); err != nil {
			r.t.Fatal(err)
		}
		select {
		case <-up.Changed():
			return
		case <-time.After(time.Second):
		case <-late:
			r.t.Fatal("the link stays up")
		}
	}
}

// The queue of a dead connection keeps the name, so replies come by another queue.
func TestSpareQueueGetsTheReplies(t *testing.T) {
	r := newRig(t)
	if _, err := r.dial().QueueDeclare(r.queue, false, false, true, false, nil); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.until(r.bus.Link(), "up", isUp)
	r.connectAgent()
	job := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, job)
	a.commit <- nil
}

// While another connection holds all queues the link reports it; later it takes a queue.
func TestQueueIsTakenOverOnceFree(t *testing.T) {
	r := newRig(t)
	other := r.dial()
	for n := range 4 {
		if _, err := other.QueueDeclare(wire.SpareReplyQueue(r.queue, n), false, false, true, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.run()
	taken := r.until(r.bus.Link(), "refused", func(s *broker.State) bool { return s.Err != nil })
	if !errors.Is(taken.Err, broker.ErrTaken) {
		t.Errorf("refused with %v", taken.Err)
	}
	if _, err := other.QueueDelete(r.queue, false, false, false); err != nil {
		t.Fatal(err)
	}
	r.until(taken, "up", isUp)
	r.connectAgent()
	job := r.reply()
	a := receive(t, r.store.applied)
	wantJobs(t, a, job)
	a.commit <- nil
}

// Run ends at any moment of its start, and while it waits for a commit.
func TestStopsWithItsContext(t *testing.T) {
	for i := range 12 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newRig(t)
			r.run()
			if i%3 == 0 {
				r.until(r.bus.Link(), "up", isUp)
				r.connectAgent()
				r.reply()
				receive(t, r.store.applied)
			}
		})
	}
}
