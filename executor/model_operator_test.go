package executor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/dispatcher"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// An operator is one operator process. world.mu guards all fields without another comment.
type operator struct {
	world   *world
	d       *dispatcher.Dispatcher // fixed
	lease   string                 // fixed; the name of its reply queue too
	out     chan *broker.Publication
	ctx     context.Context
	stop    context.CancelFunc
	all     sync.WaitGroup
	dead    bool
	up      bool          // its link, and so its reply queue
	session *wireSession  // of the link
	again   chan struct{} // capacity 1: the link is up again
	states  *broker.State // newest

	submitting taskPlan // of the one Submit at a time; Add files it under its id

	pending []application // not committed yet
	live    map[string][]*listener
	heard   map[string]int
	unknown map[string]bool // the latest answer to a status said so
	forgot  map[string]bool
	since   map[string]int64
	why     map[string]string
}

func (w *world) newOperator() *operator {
	w.ops++
	op := &operator{
		world: w, lease: wire.ReplyQueue("op", fmt.Sprint(w.ops)), out: make(chan *broker.Publication), again: make(chan struct{}, 1),
		states: newState(broker.Up), up: true, session: newSession(),
		live: map[string][]*listener{}, heard: map[string]int{}, unknown: map[string]bool{}, forgot: map[string]bool{}, since: map[string]int64{}, why: map[string]string{},
	}
	op.d = dispatcher.New(dispatcher.Config{
		Store: op, Out: op.out, InboxOut: op.out, ReplyTo: op.lease, Replies: op.states, Operator: "op",
		Audit: func(*model.Task, []string) error { return nil },
	})
	op.ctx, op.stop = context.WithCancel(context.Background())
	w.replies[op.lease] = op
	op.all.Go(func() {
		if err := op.d.Run(op.ctx); err != nil {
			w.mu.Lock()
			w.failf("dispatcher: %w", err)
			w.mu.Unlock()
		}
	})
	op.all.Go(op.publish)
	return op
}

// startOperator starts the operator on the store that the last one has left.
func (w *world) startOperator() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.op != nil {
		return
	}
	op := w.newOperator()
	w.op = op
	for _, id := range w.order {
		t := w.task(id)
		op.run(func(ctx context.Context) error {
			_, err := op.d.Adopt(ctx, t)
			return err
		})
	}
}

// run does something in the operator's process. Its caller has the lock.
func (op *operator) run(f func(ctx context.Context) error) {
	if op.dead {
		return
	}
	op.all.Go(func() {
		if err := f(op.ctx); err != nil {
			op.check(err)
		}
	})
}

// check notes an error that is not the operator's own end.
func (op *operator) check(err error) {
	if err == nil || op.ctx.Err() != nil || errors.Is(err, dispatcher.ErrStopped) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	op.world.mu.Lock()
	defer op.world.mu.Unlock()
	op.world.failf("dispatcher: %w", err)
}

func (w *world) operator() *operator {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.op
}

// kill ends an operator without a word.
func (op *operator) kill() {
	w := op.world
	w.mu.Lock()
	op.dead, op.up = true, false
	delete(w.replies, op.lease)
	if w.op == op {
		w.op = nil
	}
	op.session.close()
	w.mu.Unlock()
	op.stop()
	op.all.Wait()
}

func (w *world) killOperator(down time.Duration) {
	if op := w.operator(); op != nil {
		op.kill()
		w.later(down, w.startOperator)
	}
}

// publish passes on what the dispatcher publishes, while the link is up.
func (op *operator) publish() {
	for {
		op.world.mu.Lock()
		s, out := op.session, op.out
		if !op.up {
			out = nil
		}
		op.world.mu.Unlock()
		select {
		case p := <-out:
			op.world.request(s, p)
		case <-op.again: // look again
		case <-op.ctx.Done():
			return
		}
	}
}

// cut breaks the operator's links for a while.
func (op *operator) cut(down time.Duration) {
	w := op.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if !op.up {
		return
	}
	op.up = false
	op.session.close()
	op.state(broker.Connecting)
	op.wake()
	w.later(down, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if op.dead {
			return
		}
		op.up, op.session = true, newSession()
		op.state(broker.Up)
		op.wake()
	})
}

func (op *operator) wake() {
	select {
	case op.again <- struct{}{}:
	default:
	}
}

// Only a Link grows a list of broker.States, and a Link needs a real broker: so
// the list is grown here by the names of its members.
func member[T any](s *broker.State, name string) *T {
	f, _ := reflect.TypeFor[broker.State]().FieldByName(name)
	return (*T)(unsafe.Add(unsafe.Pointer(s), f.Offset))
}

func newState(p broker.Phase) *broker.State {
	s := &broker.State{Phase: p, Since: time.Now()}
	*member[chan struct{}](s, "changed") = make(chan struct{})
	return s
}

// state appends a state of the link. Its caller has the lock.
func (op *operator) state(p broker.Phase) {
	s := newState(p)
	*member[*broker.State](op.states, "next") = s
	close(*member[chan struct{}](op.states, "changed"))
	op.states = s
}

// submit sends a task to all machines.
func (w *world) submit(p taskPlan) {
	op := w.operator()
	if op == nil {
		return
	}
	spec := model.Spec{
		Command: "true", StartTimeout: p.StartTimeout, Fanout: p.Fanout, WhenOnline: p.Online,
		Run: wire.Run{Command: "true", TimeoutMS: p.Timeout.Milliseconds(), MaxOutput: 1 << 20},
	}
	for _, m := range w.machines {
		spec.Hosts = append(spec.Hosts, m.name)
	}
	op.submitting = p
	_, err := op.d.Submit(op.ctx, spec)
	op.check(err)
}

// ask is check_task of every task.
func (w *world) ask() {
	op := w.operator()
	if op == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	op.askFor(func(model.Task) bool { return true })
}

// adopt is check_task for the tasks that no process drives: the process that submitted them
// has ended.
func (w *world) adopt() {
	op := w.operator()
	w.mu.Lock()
	defer w.mu.Unlock()
	op.askFor(func(t model.Task) bool { return w.replies[t.Driver] == nil })
}

func (op *operator) askFor(which func(model.Task) bool) {
	for _, id := range op.world.order {
		t := op.world.task(id)
		if !which(t) {
			continue
		}
		op.run(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return op.d.Ask(ctx, t)
		})
	}
}

// look is check_task by a second process, which leaves again.
func (w *world) look() {
	w.mu.Lock()
	op := w.newOperator()
	op.askFor(func(model.Task) bool { return true })
	w.running.Add(1)
	w.mu.Unlock()
	go func() {
		defer w.running.Done()
		time.Sleep(1200 * time.Millisecond)
		op.kill()
	}()
}

func (w *world) cancel(n int) {
	op := w.operator()
	if op == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return
	}
	t := w.task(w.order[n%len(w.order)])
	op.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return op.d.Cancel(ctx, t)
	})
}

// arrive is the reply bus: decode, commit.
func (op *operator) arrive(p amqp.Publishing) {
	w := op.world
	w.mu.Lock()
	up := op.up
	w.mu.Unlock()
	if !up {
		return
	}
	v, err := wire.DecodeReply(p.Type, p.Body, p.Headers, p.CorrelationId)
	if err != nil {
		panic(err) // reply has looked at it already
	}
	_, _ = op.Apply(op.ctx, []results.Update{{Job: p.CorrelationId, Reply: v}})
}
