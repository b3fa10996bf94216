// Package operator wires an operator's process: the result store, the replybus with its
// connection, and the dispatcher with the publisher and its connection. It is the Engine of
// the REPL.
//
// Open starts the actors; lifecycle.go has the order in which they end. A process that will
// need the broker begins to connect while the key and the store are opened. In the REPL the
// connections keep trying; in the shell form Connect returns whether they are up.
package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"warren/dispatcher"
	"warren/dispatcher/probe"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/datadir"
	"warren/internal/hint"
	"warren/internal/operator/audit"
	"warren/internal/operator/filesend"
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
	// publishWindow is how many requests may be unconfirmed: enough to keep a broker busy
	// that confirms a few thousand per second.
	publishWindow = 1024

	// inboxWindow is less than the 400 messages that RabbitMQ lets a channel of a connection
	// queue before it stops reading from the connection. A channel stands still while it
	// publishes to a quorum queue without a leader.
	inboxWindow = 256

	// helloPollInterval is how often Discover reads the agents that have answered.
	helloPollInterval = 100 * time.Millisecond

	// storeTimeout is how long Settled waits for a store that takes no updates.
	storeTimeout = 5 * time.Second

	// touchTimeout is the extra time for the answer to a question whose signature costs a
	// touch.
	touchTimeout = time.Minute
)

// An Operator is the wired process. One goroutine, the REPL's, calls its methods, with these
// exceptions. Any goroutine may call Submit, Settled, Cancel, Rollouts, Viewed, Store, Link and
// Hurry. A second goroutine may call Ask while the first calls no other method than these
// and Leave.
type Operator struct {
	store      *results.Store
	audit      *audit.Log
	key        key
	notify     func(notice error)
	sender     *sender
	bus        *replybus.Bus
	dispatcher *dispatcher.Dispatcher
	pusher

	life         *lifecycle
	connected    bool  // the two connections have been started
	connectError error // why Connect has failed
	swept        bool  // streams of ended processes are being deleted

	hurried chan struct{} // closed by Hurry
	hurry   func()
}

// Open prepares the process: data directory, store and logs. If interactive, it also
// unlocks the key, begins to connect, and adopts unfinished tasks.
func Open(ctx context.Context, s cli.Settings, interactive bool) (command.Engine, error) {
	o, err := open(ctx, s, !interactive)
	if err != nil {
		return nil, err
	}
	if interactive {
		if err := o.key.unlock(ctx); err != nil { // before the prompt
			return nil, errors.Join(err, o.Close())
		}
		o.connect()
		o.life.start(o.adoptTasks)
		o.swept = true
		o.life.start(o.sweepStreams)
	}
	return o, nil
}

func open(ctx context.Context, s cli.Settings, once bool) (*Operator, error) {
	o := &Operator{hurried: make(chan struct{}), notify: s.Notify}
	o.hurry = sync.OnceFunc(func() { close(o.hurried) })
	if o.notify == nil {
		o.notify = func(error) {}
	}
	o.store = results.New(s.DataDir, results.Options{
		Retention: results.Retention{Age: s.ResultsRetention, Size: s.ResultsSize, Archives: s.CollectedSize},
	})
	config, err := o.newConnections(s, userName(), once)
	if err != nil {
		return nil, err
	}
	o.life = newLifecycle(ctx)
	o.pusher.start = o.life.start
	if s.Connect {
		// In parallel to what needs no broker. No reply arrives before the store is
		// open: nobody knows the name of the reply queue yet.
		o.connect()
	}
	if err := o.prepare(ctx, s, config); err != nil {
		_ = o.life.stop() // a connection error matters less
		return nil, err
	}
	o.life.startStore(o.store.Run)
	o.life.start(o.dispatcher.Run)
	return o, nil
}

// newConnections makes the actors that keep connections, and returns what the dispatcher
// needs of them. It starts nothing.
func (o *Operator) newConnections(s cli.Settings, name string, once bool) (config dispatcher.Config, err error) {
	opts := broker.Options{Dial: dial.Options{URLs: s.Broker, Login: s.Login}, Once: once}
	login, err := opts.Dial.User()
	if err != nil {
		return config, err
	}
	queue := wire.ReplyQueue(login, randomName())
	opts.Dial.Name = "warren " + name
	o.pusher = pusher{streams: filesend.New(s.DataDir, opts), login: login, store: o.store, notify: o.notify, transfers: map[string]*transfer{}}
	opts.Dial.Name = "warren " + name + " (requests)"
	link, err := broker.NewLink(opts)
	if err != nil {
		return config, err
	}
	o.sender = &sender{link: link, publisher: broker.NewPublisher(publishWindow), inboxes: broker.NewPublisher(inboxWindow)}
	opts.Dial.Name = "warren " + name + " (replies)"
	if o.bus, err = replybus.New(opts, queue, o.store, textNotices(o.notify), slog.New(slog.DiscardHandler)); err != nil {
		return config, err
	}
	return dispatcher.Config{
		Store: o.store, Operator: name, Notify: o.notify,
		Out: o.sender.publisher.In(), InboxOut: o.sender.inboxes.In(), ReplyTo: queue, Replies: o.bus.Link(), CaughtUp: o.bus.CaughtUp(),
	}, nil
}

// prepare makes what needs no broker: data directory, audit log, key, dispatcher and store.
// After an error nothing is left open.
func (o *Operator) prepare(ctx context.Context, s cli.Settings, config dispatcher.Config) (err error) {
	if err := datadir.Prepare(s.DataDir); err != nil {
		return err
	}
	if o.audit, err = audit.Open(s.DataDir, config.Operator); err != nil {
		return err
	}
	o.key.signer, o.key.err = signing.Choose(ctx, signing.Options{Identity: s.Identity, Fleet: s.Fleet, Passphrase: term.ReadSecret, Notify: textNotices(o.notify)})
	config.Sign, config.Touch, config.Fingerprint = o.key.sign, o.key.needsTouch(), o.key.fingerprint
	config.Audit = func(task *model.Task, hosts []string) error {
		return o.audit.Executed(task, o.key.fingerprint(), hosts)
	}
	o.dispatcher = dispatcher.New(config)
	o.pusher.dispatcher = o.dispatcher
	if err := o.store.Open(); err != nil {
		return errors.Join(err, o.audit.Close())
	}
	return nil
}

// adoptTasks adopts the unfinished tasks of ended processes. If that would cost touches, it
// only prints how many there are.
func (o *Operator) adoptTasks(ctx context.Context) error {
	tasks, err := o.store.Tasks(ctx, 0)
	if o.key.needsTouch() {
		tasks = slices.DeleteFunc(tasks, func(t model.Task) bool { return t.Done() || o.store.HasDriver(ctx, t) })
		if len(tasks) > 0 {
			o.notify(hint.Errorf("tasks lists them, check_task asks the hosts; each costs a touch of the security key",
				"tasks that an earlier warren has left unfinished: %d", len(tasks)))
		}
		tasks = nil
	}
	for _, t := range tasks {
		if err == nil {
			_, err = o.dispatcher.Adopt(ctx, t)
		}
	}
	if err != nil && ctx.Err() == nil { // the other actors go on
		o.notify(hint.Errorf("check_task asks the hosts of a task", "tasks that an earlier warren has left unfinished are not taken over: %w", err))
	}
	return nil
}

// connect starts the connections, once.
func (o *Operator) connect() {
	if o.connected {
		return
	}
	o.connected = true
	o.life.start(o.bus.Run)
	o.life.start(o.sender.run)
}

// Connect makes the key ready and waits until both connections are up.
func (o *Operator) Connect(ctx context.Context) error {
	o.connect()
	if err := o.key.unlock(ctx); err != nil {
		o.connectError = err
		return cli.Misconfigured(err)
	}
	for _, s := range []*broker.State{o.sender.link.State(), o.bus.Link()} {
		for ; s.Phase == broker.Connecting; s = s.Next() {
			select {
			case <-s.Changed():
			case <-o.life.stopping:
				o.connectError = o.life.actors.Wait()
				return o.connectError
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if !o.swept {
		o.swept = true
		o.life.start(o.sweepStreams)
	}
	return nil
}

// textNotices returns a function that reports notices without a hint.
func textNotices(notify func(error)) func(string) {
	return func(text string) { notify(errors.New(text)) }
}

// Link is the state of the connection that publishes.
func (o *Operator) Link() *broker.State { return o.sender.link.State() }

// Submit creates a task from spec; see command.Engine.
func (o *Operator) Submit(ctx context.Context, spec model.Spec) (model.Task, error) {
	return o.dispatcher.Submit(ctx, spec)
}

// Settled waits until each job of a task, or of all tasks if task is empty, is accepted, in
// an inbox or ended. If the store takes no updates, for example on a full disk, Settled gives
// up after a while; its error names the tasks.
func (o *Operator) Settled(ctx context.Context, task string) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	settled := make(chan error, 1)
	go func() { settled <- o.settled(waiting, task) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-settled:
			return err
		case <-tick.C:
		}
		since, err := o.store.WriteError(ctx)
		if err == nil || ctx.Err() != nil || time.Since(since) < storeTimeout {
			continue
		}
		stop()
		<-settled //nolint:errcheck // the store's error is the cause
		return o.unstored(ctx, err)
	}
}

// unstored returns an error with the tasks whose results the store has not taken.
func (o *Operator) unstored(ctx context.Context, why error) error {
	ids, err := o.dispatcher.Unsettled(ctx)
	if err != nil {
		return errors.Join(why, err)
	}
	return fmt.Errorf("the results of tasks %s could not be stored: %w", strings.Join(ids, ", "), why)
}

// Cancel asks the agents to end a task.
func (o *Operator) Cancel(ctx context.Context, task string) error {
	t, err := o.store.Find(ctx, task)
	if err != nil {
		return err
	}
	return o.dispatcher.Cancel(ctx, t)
}

// Rollouts controls rollouts.
func (o *Operator) Rollouts() command.Rollouts { return rollouts{o.store, o.dispatcher} }

// Ask sends a status for the unfinished jobs of a task that no live process drives.
func (o *Operator) Ask(ctx context.Context, task string, wait time.Duration) error {
	t, err := o.store.Find(ctx, task)
	if err != nil {
		return err
	}
	if !o.connected { // no command has needed the broker yet
		if !t.Done() && o.store.HasDriver(ctx, t) {
			return nil
		}
		if err := o.Connect(ctx); err != nil {
			o.notify(fmt.Errorf("no process drives task %s any more, and this one cannot: %w", task, err))
			return err
		}
	}
	asking, cancel := context.WithTimeout(ctx, o.key.answerTimeout(wait))
	defer cancel()
	if err := o.dispatcher.Ask(asking, t); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return awaitOutput(ctx, func() ([]model.Job, error) { return o.store.Jobs(ctx, task) }, wait)
}

// outputInterval is how often awaitOutput looks at what has arrived.
const outputInterval = 100 * time.Millisecond

// slowestOutput is how slowly output may arrive, in bytes in a second, after mostOutputWait. A host
// that sends byte by byte must not hold a command up for days.
const (
	slowestOutput  = 4 << 10
	mostOutputWait = 30 * time.Second

	// largestOutput is more than a host can have: it may say that it has any number of bytes.
	largestOutput = 1 << 40
)

// awaitOutput waits while output of ended jobs arrives, until nothing has come for wait.
func awaitOutput(ctx context.Context, read func() ([]model.Job, error), wait time.Duration) error {
	tick := time.NewTicker(outputInterval)
	defer tick.Stop()
	first, missing, began, until := int64(-1), int64(-1), time.Now(), time.Now()
	for {
		jobs, err := read()
		if err != nil {
			return err
		}
		before := missing
		missing = 0
		for i := range jobs {
			missing += min(jobs[i].Missing(), largestOutput)
		}
		now := time.Now()
		if first < 0 {
			first = missing
		}
		waited := now.Sub(began)
		tooSlow := waited > mostOutputWait && first-missing < int64(waited.Seconds())*slowestOutput
		if missing != before {
			until = now.Add(wait)
		}
		if missing == 0 || now.After(until) || tooSlow {
			return ctx.Err()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Check asks hosts whether they would run spec.
func (o *Operator) Check(ctx context.Context, spec model.Spec, wait time.Duration) ([]model.Check, error) {
	asking, cancel := context.WithTimeout(ctx, o.key.answerTimeout(wait))
	defer cancel()
	checks, err := o.dispatcher.Check(asking, spec)
	if err != nil {
		return nil, err
	}
	return checks, ctx.Err()
}

// Reach returns how far messages get to hosts whose agents do not answer.
func (o *Operator) Reach(ctx context.Context, hosts []string, wait time.Duration) ([]model.Reach, error) {
	asking, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return probe.Reach(asking, o.sender.publisher.In(), hosts), ctx.Err()
}

// Rights asks hosts what the key of this process may do there.
func (o *Operator) Rights(ctx context.Context, hosts []string, wait time.Duration) ([]model.Rights, error) {
	asking, cancel := context.WithTimeout(ctx, o.key.answerTimeout(wait))
	defer cancel()
	rights, err := o.dispatcher.Rights(asking, hosts)
	if err != nil {
		return nil, err
	}
	return rights, ctx.Err()
}

// Discover asks all agents to report themselves.
func (o *Operator) Discover(ctx context.Context, wait time.Duration, enough func([]model.Agent, time.Duration) bool) ([]model.Agent, error) {
	since := time.Now()
	asking, cancel := context.WithTimeout(ctx, o.key.answerTimeout(wait))
	defer cancel()
	if err := o.dispatcher.Discover(asking); err != nil {
		return nil, err
	}
	tick := time.NewTicker(helloPollInterval)
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
			if _, err := o.store.WriteError(ctx); err != nil { // answers are missing, and not because of the hosts
				return answers, fmt.Errorf("answers of hosts could not be stored: %w", err)
			}
			return answers, ctx.Err()
		}
	}
}

// NeedsTouch reports whether each signature waits until the operator touches the key.
func (o *Operator) NeedsTouch() bool { return o.key.needsTouch() }

// Store returns the result store.
func (o *Operator) Store() command.Store { return o.store }

// Viewed records in the audit log that the operator has looked at results.
func (o *Operator) Viewed(t model.Task, hosts []string) error {
	return o.audit.Viewed(&t, o.key.fingerprint(), hosts)
}

// Leave ends the connections and the actors that need them. It does not wait.
func (o *Operator) Leave() { o.life.stopActors() }

// randomName returns the unguessable part of a queue's name.
func randomName() string { return strings.ToLower(rand.Text()) }

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
