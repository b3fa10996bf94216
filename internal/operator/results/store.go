// Package results is the operator's store of tasks, jobs and their output, in
// results.db of the data directory. It owns that file, a lease in drivers/, and
// the progress and summary channels that it hands out.
//
// Store.Run is the actor: the one goroutine of this process that writes.
// Whoever issues tasks sends to it with Add, whoever receives replies with
// Apply; it sends Progress to those who drive or follow jobs, and Summaries to
// those who watch tasks, and waits for none of them. What has come in while a
// transaction was committed goes into the next one, so that a single update is
// committed at once and ten thousand replies in few transactions. Run ends when
// its ctx does, after it has committed what was waiting.
//
// Reading needs no actor: the readers (Find, Tasks, Jobs, Output …) may be
// called by any goroutine and look at the file as of the last commit. Several
// processes may have the same directory open; each job's record is read, merged
// and written within one transaction, so their updates do not undo each other.
//
// A caller Adds a task before any of its requests leaves, so that no reply can
// come too early; acknowledges a reply only when Apply's answer is nil; and stops
// all senders before Run: who is late gets ErrStopped.
package results

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"warren/internal/datadir"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Options of a Store.
type Options struct {
	Retention Retention    // what is kept; its zero value keeps all
	Log       *slog.Logger // nil discards
}

// inboxSize is how many requests wait during a commit, to be taken by the next
// transaction. With output chunks of at most 32 KiB they hold 8 MiB.
const inboxSize = 256

// A Store is one process's handle on the operator's results.
type Store struct {
	dir, path string
	log       *slog.Logger
	retention Retention
	lease     *lease

	inbox chan request  // from any caller → Run
	done  chan struct{} // closed by Run as it ends

	writer *sql.DB
	conn   *sql.Conn // Run's alone once it runs
	reader *sql.DB
}

// New makes the handle of a store in directory dir, to be wired. It touches no
// file: until Open has returned only what sends to Run may be called, and waits.
func New(dir string, opts Options) *Store {
	s := &Store{
		dir: dir, path: filepath.Join(dir, fileName), log: opts.Log, retention: opts.Retention,
		inbox: make(chan request, inboxSize), done: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Open is New and Store.Open.
func Open(dir string, opts Options) (*Store, error) {
	s := New(dir, opts)
	if err := s.Open(); err != nil {
		return nil, err
	}
	return s, nil
}

// Open opens the store, creating it and its directory where absent, and takes this
// process's lease. It starts nothing: Run does the writing. After an error nothing
// is left open.
func (s *Store) Open() error {
	if err := datadir.Prepare(s.dir); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return errors.Join(explain(s.path, err), s.Close())
	}
	return nil
}

// OpenReader opens a store that is there for its readers alone: the schema
// is not brought up to date, no lease is taken, and Run must not be called.
func OpenReader(dir string) (*Store, error) {
	s := &Store{dir: dir, path: filepath.Join(dir, fileName), log: slog.New(slog.DiscardHandler)}
	if _, err := os.Stat(s.path); err != nil {
		return nil, err
	}
	var err error
	// Not mode=ro: the first connection makes the files of the write-ahead log, and the
	// last one removes them.
	s.reader, err = sql.Open("sqlite", dsn(s.path, "mode=rw", "_pragma=query_only(1)"))
	return s, err
}

// open does under a lock what two processes must not do at the same time: make
// the schema, and sweep leases.
func (s *Store) open() error {
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	lock, err := s.lockOpen(ctx)
	if err != nil {
		return hint.Errorf("look for a stopped or hanging warren", "%w", err)
	}
	defer lock.Unlock() // an error would say that it is not held

	ctx = context.WithoutCancel(ctx) // a connection's calls do not end with the lock's time
	if s.writer, s.conn, err = openWriter(ctx, s.path); err != nil {
		return err
	}
	if s.reader, err = openReader(ctx, s.path); err != nil {
		return err
	}
	s.lease, err = takeLease(s.dir)
	return err
}

// Lease is the name of this process's lease, the Driver of the tasks it adds.
func (s *Store) Lease() string { return s.lease.name }

// Add stores a task and its jobs, all pending, in one transaction, before any
// request leaves. jobs[i].ID, Host and Digest are read; Index is i. It returns
// for each job the channel of its Progress, of capacity 1: the latest replaces
// one that has not been read. The store closes a job's channel after the
// Progress that says Ended (an outcome, lost included), and all when Run ends.
// After an error of ctx nothing is stored.
func (s *Store) Add(ctx context.Context, t model.Task, jobs []model.Job) ([]<-chan Progress, error) {
	t.Driver, t.Hosts = s.Lease(), len(jobs)
	return ask(ctx, s, func(a *actor) ([]<-chan Progress, error) { return a.addTask(t, jobs) })
}

// Follow returns progress channels, by job, for those jobs of a stored task
// that an agent may still have something to say about: not ended, lost, or
// ended without all their output. A channel closes once there is nothing left
// to ask for, or by the function returned, which must be called.
func (s *Store) Follow(ctx context.Context, task string) (map[string]<-chan Progress, func(), error) {
	f, err := ask(ctx, s, func(a *actor) (*following, error) { return a.follow(task) })
	if err != nil {
		return nil, nil, err
	}
	return f.channels, func() { s.tell(func(a *actor) { a.live.release(f.listeners) }) }, nil
}

// Apply queues updates. What it returns is answered once, after the commit: nil,
// or why nothing of it is stored (then it may be applied again). An error of
// Apply itself is ctx's or ErrStopped: nothing is queued. The answer may never
// come if Run ends first; wait for ctx as well.
func (s *Store) Apply(ctx context.Context, us []Update) (<-chan error, error) {
	answer := make(chan error, 1)
	return answer, s.send(ctx, &applying{updates: us, answer: answer})
}

// Watch returns the task's Summary now and after each change, also by another
// process: a channel of capacity 1 where the latest replaces one that has not
// been read. It is closed by the function returned, which must be called, or
// when Run ends.
func (s *Store) Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error) {
	w, err := ask(ctx, s, func(a *actor) (*watcher, error) { return a.watch(task) })
	if err != nil {
		return nil, nil, err
	}
	return w.ch, func() { s.tell(func(a *actor) { a.unwatch(w) }) }, nil
}

// SetCancel records that the operator has asked to cancel the task (full id).
func (s *Store) SetCancel(ctx context.Context, task string) error {
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) { return struct{}{}, a.setCancel(task) })
	return err
}

// Claim makes this process the one that drives the task, unless a live one does,
// this one included. It reports whether the task has come to this process.
func (s *Store) Claim(ctx context.Context, t model.Task) (bool, error) {
	if s.Driven(ctx, t) {
		return false, nil
	}
	return ask(ctx, s, func(a *actor) (bool, error) { return a.claim(t.ID, t.Driver, s.Lease()) })
}

// Expect says that agents are asked who they are, by a discover of that id: their
// answers count until then. It is called before the discover leaves.
func (s *Store) Expect(ctx context.Context, discover string, until time.Time) error {
	now := time.Now()
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) {
		a.expect(discover, now, until)
		return struct{}{}, nil
	})
	return err
}

// SawAgent records what an agent has answered to a discover; now is its time. Login is
// who has sent it, as far as the broker vouches for that. What nobody has asked for is
// counted and dropped; the error is ErrSurplus where there is no room for it.
func (s *Store) SawAgent(ctx context.Context, discover string, h *wire.Hello, login string) error {
	seen := time.Now()
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) { return struct{}{}, a.sawAgent(discover, h, login, seen) })
	return err
}

// Counts returns what this process has had to discard since Run began.
func (s *Store) Counts(ctx context.Context) (Counts, error) {
	return ask(ctx, s, func(a *actor) (Counts, error) { return a.counts, nil })
}

// Trouble returns why the store takes no updates, and since when, or nil where
// the last were taken.
func (s *Store) Trouble(ctx context.Context) (since time.Time, err error) {
	return ask(ctx, s, func(a *actor) (time.Time, error) { return a.since, a.trouble })
}

// Driven reports whether a live process, this one included, drives the task.
func (s *Store) Driven(_ context.Context, t model.Task) bool {
	return t.Driver == s.Lease() || live(leasePath(filepath.Join(s.dir, "drivers"), filepath.Base(t.Driver)))
}

// A request is what goes to the actor: *applying or calling.
type request any

// applying is a request that shares a transaction with others.
type applying struct {
	updates []Update
	answer  chan<- error // capacity 1
}

// calling is a request that is carried out by itself, between transactions.
type calling func(*actor)

func (s *Store) send(ctx context.Context, r request) error {
	if s.stopped() {
		return ErrStopped // the inbox may have room left that nobody empties
	}
	select {
	case s.inbox <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return ErrStopped
	}
}

// tell queues a call that frees something; after Run it is free already.
func (s *Store) tell(f func(*actor)) { _ = s.send(context.Background(), calling(f)) }

// ask has the actor call f and waits for what it returns. Where ctx has ended
// before, f is not called. While f is under way only the actor's end is another
// exit, so that nobody turns away from channels that have just been made for
// him: f lasts no longer than a transaction.
func ask[T any](ctx context.Context, s *Store, f func(*actor) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	answer := make(chan result, 1)
	err := s.send(ctx, calling(func(a *actor) {
		var r result
		if r.err = ctx.Err(); r.err == nil {
			r.value, r.err = f(a)
		}
		answer <- r
	}))
	if err != nil {
		var zero T
		return zero, err
	}
	select {
	case r := <-answer:
		return r.value, explain(s.path, r.err)
	case <-s.done:
	}
	select { // it may have been the actor's last deed
	case r := <-answer:
		return r.value, explain(s.path, r.err)
	default:
		var zero T
		return zero, ErrStopped
	}
}

func (s *Store) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
