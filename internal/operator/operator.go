// Package operator wires an operator's process: the result store, the replybus
// with its connection, the dispatcher with the publisher and theirs. It is the
// Engine of the REPL.
//
// The actors run under one errgroup, the store, which outlives them, under another.
// They start with Open; a process that will need the broker begins to connect while
// key and store are being opened. In the REPL the connections go on trying, in the
// shell form Connect says whether they are there.
package operator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/dispatcher"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/datadir"
	"warren/internal/hint"
	"warren/internal/operator/audit"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/operator/signing"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/term"
	"warren/replybus"
)

const (
	// publishWindow is how many requests may be unconfirmed: enough to keep a
	// broker busy that answers a few thousand a second.
	publishWindow = 1024

	// helloTick is how often it is looked who has answered a discover.
	helloTick = 100 * time.Millisecond

	// storePatience is how long a process that wants to end waits for a store that
	// takes nothing.
	storePatience = 5 * time.Second

	// touchTime is what a question may take longer where it waits for a touch.
	touchTime = time.Minute
)

// An Operator is the wired process. Its methods are for one goroutine, the
// REPL's, but for Submit, Settled and Store.
type Operator struct {
	store      *results.Store
	audit      *audit.Log
	signer     *signing.Signer
	noKey      error // why there is no signer
	notify     func(notice error)
	publisher  *broker.Publisher
	sending    *broker.Link
	noExchange bool // of sending's sessions, one after another: the last has found none
	bus        *replybus.Bus
	dispatcher *dispatcher.Dispatcher

	actors    *errgroup.Group // all but the store
	ctx       context.Context // theirs; ends with Close or an actor's failure
	stop      context.CancelFunc
	connected bool            // the two connections have been started
	refused   error           // why Connect failed; it has said so
	keeper    *errgroup.Group // the store, which outlives the others
	stopLast  context.CancelFunc
	hurried   chan struct{} // closed by Hurry
	hurry     func()
}

// Open makes the process ready: data directory, store, logs. Interactive, it
// also begins to connect.
func Open(ctx context.Context, s cli.Settings, interactive bool) (command.Engine, error) {
	o, err := open(ctx, s, !interactive)
	if err != nil {
		return nil, err
	}
	if interactive {
		if err := o.unlock(ctx); err != nil { // before the prompt
			return nil, errors.Join(err, o.Close())
		}
		o.connect()
		o.actors.Go(func() error { return o.reconcile() })
	}
	return o, nil
}

// unlock makes the key ready to sign, which may ask for its passphrase.
func (o *Operator) unlock(ctx context.Context) error {
	if o.noKey != nil {
		return o.noKey
	}
	return o.signer.Unlock(ctx)
}

// key is the fingerprint for the audit logs; a look at results needs no key.
func (o *Operator) key() string {
	if o.signer == nil {
		return ""
	}
	return o.signer.Fingerprint()
}

// reconcile takes up the tasks that processes which live no more have left
// unfinished. Where each would cost a touch, that is left to who wants to know.
func (o *Operator) reconcile() error {
	tasks, err := o.store.Tasks(o.ctx, 0)
	if o.signer.Touch() {
		tasks = slices.DeleteFunc(tasks, func(t model.Task) bool { return t.Done() || o.store.Driven(o.ctx, t) })
		if len(tasks) > 0 {
			o.notify(hint.Errorf("tasks lists them, check_task asks the hosts; each costs a touch of the security key",
				"tasks that an earlier warren has left unfinished: %d", len(tasks)))
		}
		tasks = nil
	}
	for _, t := range tasks {
		if err == nil {
			_, err = o.dispatcher.Resume(o.ctx, t)
		}
	}
	if o.ctx.Err() != nil {
		return nil
	}
	return err
}

func open(ctx context.Context, s cli.Settings, once bool) (*Operator, error) {
	o := &Operator{hurried: make(chan struct{})}
	o.hurry = sync.OnceFunc(func() { close(o.hurried) })
	o.store = results.New(s.DataDir, results.Options{
		Retention: results.Retention{Age: s.ResultsRetention, Size: s.ResultsSize},
	})
	if o.notify = s.Notify; o.notify == nil {
		o.notify = func(error) {}
	}
	name := userName()
	config, err := o.wire(s, name, once)
	if err != nil {
		return nil, err
	}
	last, stopLast := context.WithCancel(context.WithoutCancel(ctx))
	o.stopLast = stopLast
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	o.stop = stop
	o.actors, o.ctx = errgroup.WithContext(living)
	if s.Connect {
		// What needs no broker is made ready meanwhile. No reply comes before the
		// store is: what the callback queue is called nobody has been told.
		o.connect()
	}
	if err := o.prepare(ctx, s, config); err != nil {
		o.stop()
		o.stopLast()
		_ = o.actors.Wait() // no broker is the smaller trouble
		return nil, err
	}
	o.keeper = new(errgroup.Group)
	o.keeper.Go(func() error {
		defer o.stop() // without a store nothing can be promised
		return o.store.Run(last)
	})
	o.actors.Go(func() error { return o.dispatcher.Run(o.ctx) })
	return o, nil
}

// wire makes what keeps the connections, and says what the dispatcher needs of it;
// nothing starts.
func (o *Operator) wire(s cli.Settings, name string, once bool) (config dispatcher.Config, err error) {
	opts := broker.Options{Dial: dial.Options{URLs: s.Broker, Login: s.Login}, Once: once}
	login, err := opts.Dial.User()
	if err != nil {
		return config, err
	}
	queue, err := replyQueue(login)
	if err != nil {
		return config, err
	}
	opts.Dial.Name = "warren " + name + " (requests)"
	if o.sending, err = broker.NewLink(opts); err != nil {
		return config, err
	}
	opts.Dial.Name = "warren " + name + " (replies)"
	if o.bus, err = replybus.New(opts, queue, o.store, o.notifyText, slog.New(slog.DiscardHandler)); err != nil {
		return config, err
	}
	o.publisher = broker.NewPublisher(publishWindow)
	return dispatcher.Config{
		Store: o.store, Operator: name, Tell: o.notify,
		Out: o.publisher.In(), ReplyTo: queue, Replies: o.bus.Link(), CaughtUp: o.bus.CaughtUp(),
	}, nil
}

// prepare makes ready what needs no broker: data directory, audit log, key,
// dispatcher, store. After an error nothing is left open.
func (o *Operator) prepare(ctx context.Context, s cli.Settings, config dispatcher.Config) (err error) {
	if err := datadir.Prepare(s.DataDir); err != nil {
		return err
	}
	if o.audit, err = audit.Open(s.DataDir, config.Operator); err != nil {
		return err
	}
	o.signer, o.noKey = signing.Choose(ctx, signing.Options{Identity: s.Identity, Fleet: s.Fleet, Passphrase: term.ReadSecret, Notify: o.notifyText})
	config.Sign, config.Touch = o.sign, o.signer != nil && o.signer.Touch()
	config.Audit = func(task, command string, hosts []string) error {
		return o.audit.Executed(task, command, o.key(), hosts)
	}
	o.dispatcher = dispatcher.New(config)
	if err := o.store.Open(); err != nil {
		return errors.Join(err, o.audit.Close())
	}
	return nil
}

// sign signs a statement. Nothing that is signed is asked for before unlock.
func (o *Operator) sign(ctx context.Context, statement []byte) (string, error) {
	if o.noKey != nil {
		return "", o.noKey
	}
	return o.signer.Sign(ctx, statement)
}

// connect starts the connections, once.
func (o *Operator) connect() {
	if o.connected {
		return
	}
	o.connected = true
	o.actors.Go(func() error { return o.bus.Run(o.ctx) })
	o.actors.Go(func() error { return o.sending.Run(o.ctx, o.send) })
}

// send is a session of the connection that publishes. Where the exchange of questions
// to all has been deleted, the broker ends the channel: the next session declares it.
func (o *Operator) send(ctx context.Context, s *broker.Session) error {
	if o.noExchange {
		if err := broker.DeclareExchange(s.Conn, wire.ExchangeDiscover, "fanout"); err != nil {
			return err
		}
	}
	s.Ready()
	err := o.publisher.Serve(ctx, s)
	o.noExchange = broker.IsNotFound(err)
	return err
}

// Connect makes the key ready and waits until both connections are up.
func (o *Operator) Connect(ctx context.Context) error {
	o.connect()
	if err := o.unlock(ctx); err != nil {
		o.refused = err
		return cli.Misconfigured(err)
	}
	for _, s := range []*broker.State{o.sending.State(), o.bus.Link()} {
		for ; s.Phase == broker.Connecting; s = s.Next() {
			select {
			case <-s.Changed():
			case <-o.ctx.Done():
				o.refused = o.actors.Wait()
				return o.refused
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// notifyText is notify for what has no hint.
func (o *Operator) notifyText(text string) { o.notify(errors.New(text)) }

// Link is the state of the connection that publishes.
func (o *Operator) Link() *broker.State { return o.sending.State() }

// Submit makes a task of spec; see repl.Engine.
func (o *Operator) Submit(ctx context.Context, spec model.Spec) (model.Task, error) {
	collectFor(len(spec.Hosts))
	return o.dispatcher.Submit(ctx, spec)
}

// Settled waits until the operator may leave as far as the task goes; empty is
// all tasks. A store that takes nothing, as on a full disk, cannot tell, and is
// not waited for without end: the error says what is left.
func (o *Operator) Settled(ctx context.Context, task string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	settled := make(chan error, 1)
	go func() { settled <- o.dispatcher.Settled(ctx, task) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-settled:
			return err
		case <-tick.C:
		}
		since, err := o.store.Trouble(ctx)
		if err == nil || ctx.Err() != nil || time.Since(since) < storePatience {
			continue
		}
		stop()
		<-settled
		return o.unstored(err)
	}
}

// unstored says which tasks are left with news that the store has not taken.
func (o *Operator) unstored(why error) error {
	ids, err := o.dispatcher.Unsettled(o.ctx)
	if err != nil {
		return errors.Join(why, err)
	}
	return fmt.Errorf("what hosts say of tasks %s is not stored: %w", strings.Join(ids, ", "), why)
}

// Cancel asks for the end of a task.
func (o *Operator) Cancel(ctx context.Context, task string) error {
	t, err := o.store.Find(ctx, task)
	if err != nil {
		return err
	}
	return o.dispatcher.Cancel(ctx, t)
}

// Halt has a rollout tell no further host.
func (o *Operator) Halt(ctx context.Context, task string) (bool, error) {
	return o.dispatcher.Halt(ctx, task)
}

// Ask asks for the unfinished jobs of a task that nobody drives.
func (o *Operator) Ask(ctx context.Context, task string, wait time.Duration) error {
	t, err := o.store.Find(ctx, task)
	if err != nil {
		return err
	}
	if !o.connected { // nobody has needed the broker yet
		if o.store.Driven(ctx, t) {
			return nil
		}
		if err := o.Connect(ctx); err != nil {
			o.notify(fmt.Errorf("no other warren sees to task %s any more, and this one cannot: %w", task, err))
			return err
		}
	}
	asking, cancel := context.WithTimeout(ctx, o.patience(wait))
	defer cancel()
	if err := o.dispatcher.Ask(asking, t); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// Check asks hosts whether they would run spec.
func (o *Operator) Check(ctx context.Context, spec model.Spec, wait time.Duration) ([]model.Check, error) {
	asking, cancel := context.WithTimeout(ctx, o.patience(wait))
	defer cancel()
	checks, err := o.dispatcher.Check(asking, spec)
	if err != nil {
		return nil, err
	}
	return checks, ctx.Err()
}

// Discover asks all agents who they are.
func (o *Operator) Discover(ctx context.Context, wait time.Duration, enough func([]model.Agent, time.Duration) bool) ([]model.Agent, error) {
	since := time.Now()
	asking, cancel := context.WithTimeout(ctx, o.patience(wait))
	defer cancel()
	if err := o.dispatcher.Discover(asking); err != nil {
		return nil, err
	}
	tick := time.NewTicker(helloTick)
	defer tick.Stop()
	var answers []model.Agent
	index := map[string]int{} // of answers, by id
	for read, last := since, since; ; {
		news, err := o.store.Agents(ctx, read)
		if err != nil {
			return nil, err
		}
		for _, a := range news {
			if a.Seen.After(read) {
				read = a.Seen
			}
			if i, ok := index[a.Agent]; ok {
				answers[i] = a
				continue
			}
			index[a.Agent] = len(answers)
			answers, last = append(answers, a), time.Now()
		}
		if enough(answers, time.Since(last)) {
			return answers, nil
		}
		select {
		case <-tick.C:
		case <-asking.Done():
			return answers, ctx.Err()
		}
	}
}

// patience is how long to wait for answers to a question that is yet to be signed.
func (o *Operator) patience(wait time.Duration) time.Duration {
	if o.signer != nil && o.signer.Touch() {
		wait += touchTime
	}
	return wait
}

// Store is the result store.
func (o *Operator) Store() command.Store { return o.store }

// Viewed records that somebody has looked at results.
func (o *Operator) Viewed(t model.Task, hosts []string) error {
	return o.audit.Viewed(t.ID, t.Command, o.key(), hosts)
}

// Leave has the connections end, and all that needs them.
func (o *Operator) Leave() { o.stop() }

// replyQueue is the name of a callback queue that nobody guesses, and that the
// broker can confine to its user.
func replyQueue(user string) (string, error) {
	random := make([]byte, 12)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("no random name for the callback queue: %w", err)
	}
	return wire.ReplyQueue(user, hex.EncodeToString(random)), nil
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
