package dispatcher

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// tickets bounds the requests that are built and wait for the publisher:
	// enough to keep it busy, few enough for scripts of a megabyte.
	maxPrepared = 64

	// repeatEvery paces what is sent again, of all tasks together: a fleet that
	// is slow to answer must not be made slower by being asked again.
	repeatInterval = 4 * time.Millisecond

	// behindPause is the pace while answers that have come are still being
	// stored: what is missed may be among them.
	behindRepeatInterval = 100 * time.Millisecond

	// killGrace is what is added to a job's timeout before its end is overdue:
	// an agent's --kill-grace and the way back.
	killGrace = 30 * time.Second
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
	SetCancel(ctx context.Context, task string) error
	Expect(ctx context.Context, discover string, until time.Time) error
	ExpectChecks(ctx context.Context, jobs []model.Job) (<-chan results.CheckAnswer, error)
	ForgetChecks(ctx context.Context, jobs []model.Job) error
	Statement(ctx context.Context, task string) (string, error)
	Claim(ctx context.Context, t model.Task) (bool, error)
	Find(ctx context.Context, id string) (model.Task, error)
	SetRollout(ctx context.Context, task string, r model.Rollout) error
}

// Config wires a dispatcher.
type Config struct {
	Store    Store
	Out      chan<- *broker.Publication // of the publisher
	ReplyTo  string                     // name of the callback queue
	Replies  *broker.State              // first state of the link that consumes it
	CaughtUp <-chan struct{}            // gives when no answer waits to be stored
	Operator string                     // user name

	// Audit writes down a task before any of it is sent; on an error nothing is.
	Audit func(task, command string, hosts []string) error

	// Sign makes the signature of a statement's text; nil leaves it empty. It
	// may take as long as a person does.
	Sign func(ctx context.Context, statement []byte) (string, error)

	// Touch: each signature costs the operator a touch, so that questions are
	// signed for longer.
	Touch bool

	// Tell tells the operator what goes wrong behind a task that has been
	// submitted. Nil tells nobody.
	Notify func(notice error)
}

// A Dispatcher is the actor that owns the tasks under way.
type Dispatcher struct {
	store    Store
	out      chan<- *broker.Publication
	replyTo  string
	replies  *broker.State
	caughtUp <-chan struct{}
	operator string
	audit    func(task, command string, hosts []string) error
	signer   func(context.Context, []byte) (string, error)
	touch    bool
	notify   func(notice error)

	questions chan map[question]signedStatement // one slot: who takes it owns it, see inquire

	tickets  chan struct{}    // host goroutines: a bound, see prepare
	pace     chan struct{}    // pacer → host goroutines: leave to repeat
	starts   chan *task       // Submit → loop
	requests chan taskRequest // Settled, Cancel, Halt → loop
	done     chan struct{}    // closed when Run ends
}

// ask is a question to the loop about a task, or about all where task is empty;
// the answer is those of them that are under way here.
type taskRequest struct {
	task   string
	act    func(*task)    // done to each, in the loop; may be nil
	answer chan<- []*task // one slot
}

// New wires a dispatcher. It starts nothing.
func New(c Config) *Dispatcher {
	d := &Dispatcher{
		store: c.Store, out: c.Out, replyTo: c.ReplyTo, replies: c.Replies, caughtUp: c.CaughtUp, operator: c.Operator, audit: c.Audit,
		signer: c.Sign, touch: c.Touch, notify: c.Notify,
		questions: make(chan map[question]signedStatement, 1),
		tickets:   make(chan struct{}, maxPrepared), pace: make(chan struct{}),
		starts: make(chan *task), requests: make(chan taskRequest), done: make(chan struct{}),
	}
	d.questions <- map[question]signedStatement{}
	if d.notify == nil {
		d.notify = func(error) {}
	}
	return d
}

// Run drives tasks until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer close(d.done)
	tasks := map[string]*task{}
	ended := make(chan *task)
	g, work := errgroup.WithContext(ctx)
	g.Go(func() error { return d.pacer(work) })
	for {
		select {
		case t := <-d.starts:
			tasks[t.record.ID] = t
			g.Go(func() error {
				err := t.drive(work)
				select {
				case ended <- t:
				case <-work.Done():
				}
				return err
			})
		case t := <-ended:
			delete(tasks, t.record.ID)
		case q := <-d.requests:
			q.answer <- matching(tasks, q)
		case <-work.Done():
			err := g.Wait()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// pacer gives leave to repeat, one at a time. It sleeps while nobody asks.
func (d *Dispatcher) pacer(ctx context.Context) error {
	for {
		select {
		case d.pace <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		pause := time.After(repeatInterval)
		select {
		case <-d.caughtUp:
		case <-time.After(behindRepeatInterval):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-pause:
		case <-ctx.Done():
			return nil
		}
	}
}

// chosen are the tasks that a question is about, once it has acted on them.
func matching(tasks map[string]*task, q taskRequest) (found []*task) {
	for id, t := range tasks {
		if q.task == "" || q.task == id {
			found = append(found, t)
			if q.act != nil {
				q.act(t)
			}
		}
	}
	return found
}

// Submit makes a task of spec and returns once the store knows it; sending goes
// on by itself.
func (d *Dispatcher) Submit(ctx context.Context, spec model.Spec) (model.Task, error) {
	if err := checkRollout(spec.Rollout, len(spec.Hosts)); err != nil {
		return model.Task{}, err
	}
	now := time.Now()
	jobs := make([]model.Job, len(spec.Hosts))
	id := uuid.NewString()
	for i, h := range spec.Hosts {
		jobs[i] = model.Job{ID: uuid.NewString(), Task: id, Host: h, Index: i, State: model.Pending}
	}
	l, err := d.signRun(ctx, id, spec, jobs, now)
	if err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	for i := range jobs {
		digest := l.batch.Digest(i)
		jobs[i].Digest, jobs[i].Signed = digest[:], l.signed()
	}
	statement, _ := l.batch.Statement()
	record := model.Task{
		ID: id, Command: spec.Command, Operator: d.operator, Created: l.issuedAt, NotAfter: l.notAfter,
		Timeout: spec.Run.Timeout(), MaxOutput: spec.Run.MaxOutput, Hosts: len(jobs), Driver: d.store.Lease(), Statement: statement,
		Summary:    model.Summary{Hosts: len(jobs)},
		WhenOnline: spec.WhenOnline, Fanout: spec.Fanout, Rollout: spec.Rollout, RetryOf: spec.RetryOf,
	}
	told := spec.Hosts
	if spec.Rollout != nil {
		told = told[:spec.Rollout.Stages[0]] // the others when their stage begins
	}
	if err := d.audit(id, spec.Command, told); err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	progress, err := d.store.Add(ctx, record, jobs)
	if err != nil {
		return model.Task{}, fmt.Errorf("the task was not sent: %w", err)
	}
	t := d.task(record, jobs, progress)
	t.spec, t.run = spec, l
	t.plan = newPlan(len(jobs), spec.Fanout, spec.Rollout)
	return record, d.start(t)
}

func (d *Dispatcher) task(record model.Task, jobs []model.Job, progress []<-chan results.Progress) *task {
	t := &task{
		d: d, record: record, jobs: jobs, progress: progress, release: func() {}, plan: newPlan(len(jobs), 0, nil),
		questions: map[question]signedStatement{}, unsigned: map[string]time.Time{}, wants: make(chan *want),
		cancel: make(chan struct{}), halted: make(chan struct{}), settled: make(chan struct{}),
	}
	t.unsettled.Add(len(jobs))
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

// runLetter signs the statement of a run.
func (d *Dispatcher) signRun(ctx context.Context, id string, spec model.Spec, jobs []model.Job, now time.Time) (signedStatement, error) {
	run := spec.Run
	secret, err := seal(spec.Secret, &run)
	if err != nil {
		return signedStatement{}, err
	}
	l, err := d.signStatement(ctx, wire.Statement{Type: wire.TypeRun, Task: id, Run: &run}, jobs, now, spec.StartTimeout)
	if err == nil && secret != "" {
		err = l.batch.SetSecret(secret)
	}
	return l, err
}

// seal makes the text of a secret, and binds it to the run by its salted hash.
func seal(s *wire.Secret, run *wire.Run) (text string, err error) {
	if s == nil {
		return "", nil
	}
	salted := *s
	salted.Salt = make([]byte, 2*wire.MinSalt)
	if _, err := rand.Read(salted.Salt); err != nil {
		return "", fmt.Errorf("no salt for the secret: %w", err)
	}
	text, run.SecretHash, err = wire.EncodeSecret(salted)
	return text, err
}

// question signs a status or a cancel for jobs of a task. A cancel is valid as
// long as what it recalls, beside which it may wait in an inbox.
func (d *Dispatcher) signQuestion(ctx context.Context, q question, jobs []model.Job, now time.Time) (signedStatement, error) {
	valid := d.validity()
	if q.typ == wire.TypeCancel {
		valid = max(valid, time.UnixMilli(q.of.NotAfter).Sub(now))
	}
	return d.signStatement(ctx, wire.Statement{Type: q.typ, Task: q.task, Of: &q.of}, jobs, now, valid)
}

// validity is how long a question is valid.
func (d *Dispatcher) validity() time.Duration {
	if d.touch {
		return touchQuestionTTL
	}
	return questionTTL
}

func (d *Dispatcher) signStatement(ctx context.Context, st wire.Statement, jobs []model.Job, now time.Time, valid time.Duration) (signedStatement, error) {
	now = now.Truncate(time.Millisecond)
	st.IssuedAt, st.NotAfter, st.ReplyTo = now.UnixMilli(), now.Add(valid).UnixMilli(), d.replyTo
	leaves := make([]wire.Leaf, len(jobs))
	for i, j := range jobs {
		leaves[i] = wire.Leaf{Job: j.ID, Host: j.Host, Index: i}
	}
	b, err := wire.NewBatch(st, leaves, d.sign(ctx))
	if err != nil {
		return signedStatement{}, err
	}
	return signedStatement{batch: b, issuedAt: now, notAfter: now.Add(valid)}, nil
}

// sign is the signer as package wire wants it.
func (d *Dispatcher) sign(ctx context.Context) func([]byte) (string, error) {
	if d.signer == nil {
		return nil
	}
	return func(statement []byte) (string, error) { return d.signer(ctx, statement) }
}

// Settled waits until each job of a task that was submitted here, or of all such
// tasks where id is empty, is accepted or ended: the operator may leave.
func (d *Dispatcher) Settled(ctx context.Context, id string) error {
	tasks, err := d.find(ctx, id, nil)
	for _, t := range tasks {
		if t.adopted && id == "" {
			continue // to ask is no promise
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

// Unsettled are the ids of those tasks submitted here that the operator would
// leave without a word on each of their jobs.
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

// Cancel asks for the end of a task's unfinished jobs: through the goroutines
// that drive them, or, where another process does or none, from here.
func (d *Dispatcher) Cancel(ctx context.Context, t model.Task) error {
	if err := d.store.SetCancel(ctx, t.ID); err != nil {
		return err
	}
	own, err := d.find(ctx, t.ID, func(t *task) {
		if !isClosed(t.cancel) {
			close(t.cancel)
		}
	})
	if len(own) > 0 || err != nil {
		return err
	}
	return d.query(ctx, t, wire.TypeCancel, func(*model.Job) bool { return true })
}

// find returns those tasks that are under way here, after act was done to each.
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

// Discover asks all agents who they are; the answers go to the store.
func (d *Dispatcher) Discover(ctx context.Context) error {
	now := time.Now()
	st := wire.Statement{
		Type: wire.TypeDiscover, Task: uuid.NewString(), ReplyTo: d.replyTo,
		IssuedAt: now.UnixMilli(), NotAfter: now.Add(d.validity()).UnixMilli(),
	}
	body, err := wire.NewBroadcast(st, d.sign(ctx))
	if err != nil {
		return err
	}
	if err := awaitUp(ctx, d.replies); err != nil {
		return err
	}
	// From its leaving on: a signature may have taken a while.
	if err := d.store.Expect(ctx, st.Task, time.Now().Add(d.validity())); err != nil {
		return err
	}
	verdicts := make(chan broker.Verdict, 1)
	pub := &broker.Publication{
		Exchange: wire.ExchangeDiscover, Answer: verdicts,
		Msg: amqp.Publishing{
			Type: st.Type, CorrelationId: st.Task, ReplyTo: d.replyTo, AppId: wire.AppID,
			ContentType: wire.ContentJSON, Expiration: strconv.FormatInt(d.validity().Milliseconds(), 10), Body: body,
		},
	}
	return d.broadcast(ctx, pub, verdicts)
}

// broadcast publishes a question to all until the broker has taken it. A nack says only
// that some queue was full.
func (d *Dispatcher) broadcast(ctx context.Context, pub *broker.Publication, verdicts <-chan broker.Verdict) error {
	for {
		again := *pub // the last one is the publisher's
		select {
		case d.out <- &again:
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

// storePause is the wait before a failed commit, as on a full disk, is tried again.
const storeRetryDelay = time.Second

// apply has the store note something, and returns once it is committed.
func (d *Dispatcher) apply(ctx context.Context, us []results.Update) error {
	for {
		answer, err := d.store.Apply(ctx, us)
		if err != nil {
			return err
		}
		select {
		case err = <-answer:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		if err := pause(ctx, storeRetryDelay); err != nil {
			return err
		}
	}
}
