package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/dispatcher/plan"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// maxPrepared bounds the requests that are prepared and wait for a publisher:
	// enough to keep it busy, few enough for scripts of a megabyte.
	maxPrepared = 64

	// repeatInterval paces the repeated requests of all tasks together: repeats must not
	// slow down a fleet that is slow to answer.
	repeatInterval = 4 * time.Millisecond

	// behindRepeatInterval is the pace while replies that have arrived are not stored
	// yet: the missing ones may be among them.
	behindRepeatInterval = 100 * time.Millisecond
)

// ErrStopped: the dispatcher's Run has ended.
var ErrStopped = errors.New("the dispatcher has stopped")

// Store is what the dispatcher needs of the result store.
type Store interface {
	Lease() string
	Add(ctx context.Context, t model.Task, jobs []model.Job) ([]<-chan results.Progress, error)
	Apply(ctx context.Context, us []results.Update) (<-chan error, error)
	Follow(ctx context.Context, task string) (map[string]<-chan results.Progress, func(), error)
	Jobs(ctx context.Context, task string) ([]model.Job, error)
	SetControl(ctx context.Context, task string, c model.Control) error
	Expect(ctx context.Context, discover string, until time.Time) error
	ExpectChecks(ctx context.Context, jobs []model.Job) (<-chan results.CheckAnswer, error)
	ForgetChecks(ctx context.Context, jobs []model.Job) error
	Statement(ctx context.Context, task string) (string, error)
	Claim(ctx context.Context, t model.Task, r *model.Rollout) (bool, error)
	Find(ctx context.Context, id string) (model.Task, error)
	SetRollout(ctx context.Context, task string, r model.Rollout) error
	HasDriver(ctx context.Context, t model.Task) bool
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
}

// Config wires a dispatcher.
type Config struct {
	Store    Store
	Out      chan<- *broker.Publication // of the publisher to host queues
	InboxOut chan<- *broker.Publication // of the publisher to inboxes
	ReplyTo  string                     // name of the reply queue
	Replies  *broker.State              // first state of the link that consumes it
	CaughtUp <-chan struct{}            // a receive succeeds while no reply waits to be stored
	Operator string                     // user name

	// Audit logs a task before any of it is sent. After an error nothing is sent.
	Audit func(task *model.Task, hosts []string) error

	// Sign signs a statement's text. It may wait for a person. Nil leaves the
	// signature empty.
	Sign func(ctx context.Context, statement []byte) (string, error)

	// Fingerprint returns the fingerprint of the signing key, for the record of a task. Nil: no key.
	Fingerprint func() string

	// Touch: each signature costs the operator a touch, so that questions are valid
	// for longer.
	Touch bool

	// Notify reports problems with a task after Submit has returned. It may be nil.
	Notify func(notice error)
}

// A Dispatcher is the actor that owns the tasks under way.
type Dispatcher struct {
	store       Store
	hostQueues  lane
	inboxes     lane
	replyTo     string
	replies     *broker.History
	caughtUp    <-chan struct{}
	operator    string
	audit       func(task *model.Task, hosts []string) error
	signer      signer
	fingerprint func() string // of the signer's key
	notify      func(notice error)

	repeats chan struct{} // pacer → host goroutines: a permit to repeat a request to a host queue

	starts     chan *task       // Submit, Adopt → loop
	requests   chan taskRequest // Settled, Cancel, Halt → loop
	settles    chan settling    // host and task goroutines → loop
	lookups    chan lookup      // cachedQuestion → loop
	signatures chan signature   // cachedQuestion → loop
	secrets    chan secretQuery // Resume → loop
	done       chan struct{}    // closed when the loop has stopped
}

// A lane leads requests to one publisher. Requests to inboxes have a lane of their own, because
// an inbox without a leader holds up its publisher.
type lane struct {
	out     chan<- *broker.Publication
	permits chan struct{} // holds the free permits to prepare a request
}

func newLane(out chan<- *broker.Publication) lane {
	l := lane{out, make(chan struct{}, maxPrepared)}
	for range maxPrepared {
		l.permits <- struct{}{}
	}
	return l
}

// A taskRequest asks the loop for a task that is under way here, or for all of them if
// task is empty.
type taskRequest struct {
	task   string
	act    func(*task)    // the loop calls it for each; may be nil
	answer chan<- []*task // one slot
}

// A settling reports that the operator's process need not wait for some more jobs of a
// task.
type settling struct {
	task *task
	jobs int
}

// New wires a dispatcher. It starts nothing.
func New(c Config) *Dispatcher {
	d := &Dispatcher{
		store: c.Store, hostQueues: newLane(c.Out), inboxes: newLane(c.InboxOut), replyTo: c.ReplyTo, replies: broker.NewHistory(c.Replies), caughtUp: c.CaughtUp, operator: c.Operator, audit: c.Audit,
		signer: signer{c.Sign, c.Touch, c.ReplyTo}, fingerprint: c.Fingerprint, notify: c.Notify,
		repeats: make(chan struct{}),
		starts:  make(chan *task), requests: make(chan taskRequest), settles: make(chan settling),
		lookups: make(chan lookup), signatures: make(chan signature), secrets: make(chan secretQuery), done: make(chan struct{}),
	}
	if d.fingerprint == nil {
		d.fingerprint = func() string { return "" }
	}
	if d.notify == nil {
		d.notify = func(error) {}
	}
	return d
}

// Run drives tasks until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	g, work := errgroup.WithContext(ctx)
	g.Go(func() error { return d.pacer(work) })
	ended := make(chan *task)
	l := loop{unsettled: map[*task]int{}, questions: questionCache{}, secrets: map[string]*wire.Secret{}}
	for work.Err() == nil {
		select {
		case t := <-d.starts:
			l.start(t)
			g.Go(func() error {
				err := t.drive(work)
				select {
				case ended <- t:
				case <-work.Done():
				}
				return err
			})
		case t := <-ended:
			l.end(t)
		case r := <-d.requests:
			r.answer <- l.matching(r)
		case s := <-d.settles:
			l.settle(s)
		case q := <-d.lookups:
			q.answer <- l.questions.lookup(q.question, time.Now())
		case s := <-d.signatures:
			l.questions.signed(s)
		case q := <-d.secrets:
			q.answer <- l.secret(q.task)
		case <-work.Done():
		}
	}
	close(d.done)
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// loop is the state of the dispatcher's own goroutine.
type loop struct {
	unsettled map[*task]int // the tasks under way: jobs that the operator must wait for
	questions questionCache
	secrets   map[string]*wire.Secret // of tasks that are paused, by id
}

func (l *loop) start(t *task) {
	l.unsettled[t] = len(t.jobs) - t.endedBefore
	if t.plan.Verifies() {
		l.unsettled[t]++ // settled when the task ends
	}
	delete(l.secrets, t.record.ID)
	l.settle(settling{task: t})
}

// settle counts jobs down, and marks a task without unsettled jobs.
func (l *loop) settle(s settling) {
	l.unsettled[s.task] -= s.jobs
	if l.unsettled[s.task] == 0 {
		closeOnce(s.task.settled)
	}
}

func (l *loop) end(t *task) {
	l.settle(settling{t, l.unsettled[t]})
	delete(l.unsettled, t)
	if t.spec.Secret != nil && t.record.Rollout.Pause() != nil {
		l.secrets[t.record.ID] = t.spec.Secret
	}
}

// matching returns the tasks that a request is about, after it has acted on them.
func (l *loop) matching(r taskRequest) (found []*task) {
	for t := range l.unsettled {
		if r.task == "" || r.task == t.record.ID {
			found = append(found, t)
			if r.act != nil {
				r.act(t)
			}
		}
	}
	return found
}

// pacer hands out permits to repeat a request, one at a time. It takes the permit first
// and waits with it until a task repeats a request.
func (d *Dispatcher) pacer(ctx context.Context) error {
	for {
		select {
		case <-d.hostQueues.permits:
		case <-ctx.Done():
			return nil
		}
		select {
		case d.repeats <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		next := time.After(repeatInterval)
		select {
		case <-d.caughtUp:
		case <-time.After(behindRepeatInterval):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

// Submit creates a task from spec, and returns once the store has it. Sending continues in
// the background.
func (d *Dispatcher) Submit(ctx context.Context, spec model.Spec) (model.Task, error) {
	return d.submit(ctx, uuid.NewString(), spec)
}

// submit is Submit with the id of the task.
func (d *Dispatcher) submit(ctx context.Context, id string, spec model.Spec) (model.Task, error) {
	if err := plan.Check(spec.Rollout, len(spec.Hosts)); err != nil {
		return model.Task{}, err
	}
	now := time.Now()
	jobs := make([]model.Job, len(spec.Hosts))
	for i, h := range spec.Hosts {
		jobs[i] = model.Job{ID: uuid.NewString(), Task: id, Host: h, Index: i, State: model.Pending}
	}
	l, err := d.signer.run(ctx, id, spec, jobs, now, onlineTimeout(&spec))
	if err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	for i := range jobs {
		digest := l.batch.Digest(i)
		jobs[i].Digest, jobs[i].Signed = digest[:], l.signed()
	}
	statement, _ := l.batch.Statement()
	record := model.Task{
		ID: id, Command: spec.Command, Operator: d.operator, Key: d.fingerprint(), Created: l.issuedAt, NotAfter: l.issuedAt.Add(spec.StartTimeout),
		Timeout: spec.Run.Timeout(), MaxOutput: spec.Run.MaxOutput, Archives: spec.Run.Collect != nil, Hosts: len(jobs), Driver: d.store.Lease(), Statement: statement,
		Summary:    model.Summary{Hosts: len(jobs)},
		WhenOnline: spec.WhenOnline, Fanout: spec.Fanout, Rollout: spec.Rollout, RetryOf: spec.RetryOf, VerifyOf: spec.VerifyOf,
		Script: model.DescribeScript(&spec.Run), Stdin: model.DescribeStdin(&spec.Run),
	}
	first := spec.Hosts
	if spec.Rollout != nil {
		first = first[:spec.Rollout.Stages[0]] // the others are logged when their stage begins
	}
	if err := d.audit(&record, first); err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	progress, err := d.store.Add(ctx, record, jobs)
	if err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	t := d.task(record, jobs, jobs, progress)
	t.spec, t.run = spec, l
	t.plan = plan.New(len(jobs), spec.Fanout, spec.Rollout)
	if spec.Rollout != nil {
		t.stopped = t.halted
	}
	return record, d.start(t)
}

func (d *Dispatcher) task(record model.Task, all, jobs []model.Job, progress []<-chan results.Progress) *task {
	t := &task{
		d: d, record: record, all: all, jobs: jobs, progress: progress, release: func() {}, plan: plan.New(len(jobs), 0, nil),
		signRetry: map[string]time.Time{}, statements: make(chan statementRequest), ended: make(chan jobEnd), ok: make([]bool, len(jobs)),
		cancel: make(chan struct{}), halted: make(chan struct{}), settled: make(chan struct{}),
	}
	t.canceled = t.cancel
	return t
}

// start gives a task to the loop.
func (d *Dispatcher) start(t *task) error {
	select {
	case d.starts <- t:
		return nil
	case <-d.done:
		return ErrStopped
	}
}

// settle reports settled jobs to the loop.
func (d *Dispatcher) settle(ctx context.Context, t *task, jobs int) error {
	select {
	case d.settles <- settling{t, jobs}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settled waits until each job of a task that was submitted here, or of all such tasks if
// id is empty, is accepted or ended. Then the operator's process may end.
func (d *Dispatcher) Settled(ctx context.Context, id string) error {
	tasks, err := d.find(ctx, id, nil)
	for _, t := range tasks {
		if t.adopted && id == "" {
			continue // its jobs were sent before
		}
		select {
		case <-t.settled:
		case <-d.done:
			return ErrStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Unsettled returns the ids of the tasks under way here that have a job which is neither
// accepted nor ended.
func (d *Dispatcher) Unsettled(ctx context.Context) (ids []string, err error) {
	tasks, err := d.find(ctx, "", nil)
	for _, t := range tasks {
		select {
		case <-t.settled:
		default:
			ids = append(ids, t.record.ID)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// Cancel asks the agents to end a task's unfinished jobs: through the goroutines that
// drive them, or with a query if this process does not drive the task.
//
// The process that drives the task learns it from the store. If the store cannot be written, as on
// a full disk, the agents are asked all the same, and the error says so.
func (d *Dispatcher) Cancel(ctx context.Context, t model.Task) error {
	recorded := d.store.SetControl(ctx, t.ID, model.ControlCancel)
	if recorded == nil && t.Rollout != nil {
		now, err := d.store.Find(ctx, t.ID)
		if err == nil {
			err = takeover{d, now}.cancelUnsent(ctx)
		}
		recorded = err
	}
	own, err := d.find(ctx, t.ID, cancelHosts)
	if err == nil && len(own) == 0 {
		err = d.query(ctx, t, wire.TypeCancel, func(*model.Job) bool { return true })
	}
	if err == nil && recorded != nil {
		return fmt.Errorf("the cancel was sent, but could not be recorded: %w", recorded)
	}
	return cmp.Or(err, recorded)
}

// cancelHosts has the goroutines of a task's hosts cancel their jobs. The dispatcher's loop calls it.
func cancelHosts(t *task) { closeOnce(t.cancel) }

func closeOnce(ch chan struct{}) {
	if !isClosed(ch) {
		close(ch)
	}
}

// find returns the tasks that are under way here, after it has called act for each.
func (d *Dispatcher) find(ctx context.Context, id string, act func(*task)) ([]*task, error) {
	answer := make(chan []*task, 1)
	select {
	case d.requests <- taskRequest{id, act, answer}:
		return <-answer, nil
	case <-d.done:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Discover asks all agents to report themselves. The answers go to the store.
func (d *Dispatcher) Discover(ctx context.Context) error {
	now := time.Now()
	st := wire.Statement{
		Type: wire.TypeDiscover, Task: uuid.NewString(), ReplyTo: d.replyTo,
		IssuedAt: now.UnixMilli(), NotAfter: now.Add(d.signer.validity()).UnixMilli(),
	}
	body, err := wire.NewBroadcast(st, d.signer.sign(ctx))
	if err != nil {
		return err
	}
	if err := awaitUp(ctx, d.replies.Watch()); err != nil {
		return err
	}
	// Counted from now: the signature may have taken a while.
	if err := d.store.Expect(ctx, st.Task, time.Now().Add(d.signer.validity())); err != nil {
		return err
	}
	verdicts := make(chan broker.Verdict, 1)
	pub := &broker.Publication{
		Exchange: wire.ExchangeDiscover, Answer: verdicts,
		Msg: amqp.Publishing{
			Type: st.Type, CorrelationId: st.Task, ReplyTo: d.replyTo, AppId: wire.AppID,
			ContentType: wire.ContentJSON, Expiration: strconv.FormatInt(d.signer.validity().Milliseconds(), 10), Body: body,
		},
	}
	return broadcast(ctx, d.hostQueues.out, pub, verdicts)
}

// broadcast publishes a question to all agents until the broker has taken it. A nack means
// only that some queue was full.
func broadcast(ctx context.Context, out chan<- *broker.Publication, pub *broker.Publication, verdicts <-chan broker.Verdict) error {
	for {
		attempt := *pub // the last one belongs to the publisher
		select {
		case out <- &attempt:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case v := <-verdicts:
			switch v.Kind {
			case broker.Unconfirmed:
				continue
			case broker.Refused:
				return fmt.Errorf("the broker refused the question to all agents: %s", refusalReason(v.Reason))
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// storeRetryDelay is the wait before a failed commit, for example on a full disk, is
// retried.
const storeRetryDelay = time.Second

// apply gives updates to the store, and returns once they are committed.
func (d *Dispatcher) apply(ctx context.Context, us []results.Update) error {
	return untilStored(ctx, func() error {
		answer, err := d.store.Apply(ctx, us)
		if err != nil {
			return err
		}
		select {
		case err = <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
