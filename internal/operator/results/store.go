// Package results is the operator's store of tasks, jobs and their output: the file
// results.db of the data directory, a lease in drivers/, and the progress and summary
// channels that it hands out.
//
// Store.Run is the actor: the one goroutine of this process that writes. Senders of tasks
// call Add, receivers of replies call Apply. The actor sends Progress to the drivers and
// followers of jobs, and Summaries to the watchers of tasks, and waits for none of them.
// Requests that arrive during a commit go into the next transaction together: a single
// update is committed at once, and ten thousand replies in a few transactions. Run ends
// when its ctx does, after it has committed what was waiting.
//
// Reading needs no actor: any goroutine may call the methods of the Reader, which show the
// last commit. Several processes may have the same directory open. Each job's record is
// read, merged and written within one transaction, so that they do not undo each other's
// updates.
//
// Package merge decides what an update changes, and package sqlite has the SQL.
//
// The caller's duties: Add a task before any of its requests leaves, so that no reply can
// come too early. Acknowledge a reply only when Apply's answer is nil. Stop all senders
// before Run: later ones get ErrStopped.
package results

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"warren/internal/datadir"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

// Options of a Store.
type Options struct {
	Retention Retention    // what is kept; its zero value keeps all
	Log       *slog.Logger // nil discards
}

// inboxSize is how many requests wait during a commit, for the next transaction. With
// output chunks of at most 32 KiB they hold 8 MiB.
const inboxSize = 256

// openTimeout is how long Open waits for processes that open or close the same store.
const openTimeout = 10 * time.Second

// A Store is one process's handle on the operator's results.
type Store struct {
	*sqlite.Reader // nil until Open has returned

	dir, path string
	log       *slog.Logger
	retention Retention
	lease     *lease

	inbox chan request  // from any caller → Run
	done  chan struct{} // closed by Run as it ends

	writer *sqlite.Writer // Run's alone while it runs
}

// New returns a handle of a store in a directory. It touches no file: until Open has
// returned only methods that send to Run may be called, and they wait.
func New(dir string, opts Options) *Store {
	s := &Store{
		dir: dir, path: filepath.Join(dir, sqlite.FileName), log: opts.Log, retention: opts.Retention,
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

// Open opens the store, creates it and its directory if necessary, and takes this
// process's lease. It starts nothing: Run does the writing. After an error nothing is left
// open.
func (s *Store) Open() error {
	if err := datadir.Prepare(s.dir); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return errors.Join(sqlite.Explain(s.path, err), s.Close())
	}
	return nil
}

// OpenReader opens an existing store for its readers alone. It takes no lease, and Run must
// not be called.
func OpenReader(dir string) (*Store, error) {
	s := &Store{dir: dir, path: filepath.Join(dir, sqlite.FileName), log: slog.New(slog.DiscardHandler)}
	if _, err := os.Stat(s.path); err != nil {
		return nil, err
	}
	var err error
	s.Reader, err = sqlite.OpenReader(s.path)
	return s, err
}

// open does under a lock what two processes must not do at the same time: create the
// schema, and remove the leases of dead processes.
func (s *Store) open() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	lock, err := lockOpen(ctx, s.dir)
	if err != nil {
		return hint.Errorf("look for a stopped or hanging warren", "%w", err)
	}
	defer func() { _ = lock.Unlock() }() // it fails only if the lock is not held

	if s.writer, err = sqlite.OpenWriter(s.path); err != nil {
		return err
	}
	if s.Reader, err = sqlite.OpenReader(s.path); err != nil {
		return err
	}
	s.lease, err = takeLease(s.dir)
	return err
}

// Lease is the name of this process's lease, the Driver of the tasks that it adds.
func (s *Store) Lease() string { return s.lease.name }

// Add stores a task and its jobs, all pending, in one transaction, before any request
// leaves. It reads jobs[i].ID, Host, Digest and Signed; Index is i. It returns a channel of
// Progress for each job, of capacity 1: the latest replaces one that was not read. The
// store closes a job's channel after the Progress that says Ended (also with outcome lost),
// and all channels when Run ends. After an error of ctx nothing is stored.
func (s *Store) Add(ctx context.Context, t model.Task, jobs []model.Job) ([]<-chan Progress, error) {
	t.Driver, t.Hosts = s.Lease(), len(jobs)
	return ask(ctx, s, func(a *actor) ([]<-chan Progress, error) { return a.addTask(t, jobs) })
}

// Follow returns progress channels, by job, for those jobs of a stored task about which an
// agent may have more to say: not ended, lost, or ended without all their output. A channel
// closes when there is nothing left to ask for, or by the returned function, which must be
// called.
func (s *Store) Follow(ctx context.Context, task string) (map[string]<-chan Progress, func(), error) {
	f, err := ask(ctx, s, func(a *actor) (*following, error) { return a.follow(task) })
	if err != nil {
		return nil, nil, err
	}
	return f.channels, func() { s.post(func(a *actor) { a.live.release(f.listeners) }) }, nil
}

// Apply queues updates. The returned channel gets one answer, after the commit: nil, or why
// none of them is stored (then they may be applied again). An error of Apply itself is
// ctx's or ErrStopped, and nothing is queued. The answer may never come if Run ends first:
// wait for ctx as well.
func (s *Store) Apply(ctx context.Context, us []Update) (<-chan error, error) {
	answer := make(chan error, 1)
	return answer, s.send(ctx, &applying{updates: us, answer: answer})
}

// Watch returns the task's Summary now and after each change, also by another process: a
// channel of capacity 1, in which the latest replaces one that was not read. It is closed by
// the returned function, which must be called, or when Run ends.
func (s *Store) Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error) {
	w, err := ask(ctx, s, func(a *actor) (*watcher, error) { return a.watch(task) })
	if err != nil {
		return nil, nil, err
	}
	return w.ch, func() { s.post(func(a *actor) { a.unwatch(w) }) }, nil
}

// SetControl records what an operator has asked of the task (full id).
func (s *Store) SetControl(ctx context.Context, task string, c model.Control) error {
	return askNothing(ctx, s, func(a *actor) error { return a.setControl(task, c) })
}

// SetRollout records how far a task's rollout has come, and syncs it: after a loss of
// power, the process that takes the task over must know each host that was released.
func (s *Store) SetRollout(ctx context.Context, task string, r model.Rollout) error {
	return askNothing(ctx, s, func(a *actor) error { return a.setRollout(task, r) })
}

// Claim makes this process the driver of the task t, unless a live process drives it, this one
// included, or another process has claimed it since t was read. The driver of a rollout that
// is paused does not count: it sends nothing. With r, the claim also replaces the rollout,
// which must have the same events as that of t, and forgets that it is to be paused. Claim
// reports whether this process now drives the task.
func (s *Store) Claim(ctx context.Context, t model.Task, r *model.Rollout) (bool, error) {
	if s.HasDriver(ctx, t) && (r == nil || t.Rollout.Pause() == nil) {
		return false, nil
	}
	return ask(ctx, s, func(a *actor) (bool, error) { return a.claim(t, s.Lease(), r) })
}

// HasDriver reports whether a live process, this one included, drives the task.
func (s *Store) HasDriver(_ context.Context, t model.Task) bool {
	return t.Driver == s.Lease() || live(leasePath(filepath.Join(s.dir, "drivers"), filepath.Base(t.Driver)))
}

// Expect announces a discover, before it leaves. The answers of agents to it count until a
// time.
func (s *Store) Expect(ctx context.Context, discover string, until time.Time) error {
	now := time.Now()
	return askNothing(ctx, s, func(a *actor) error {
		a.rounds.expect(discover, now, until)
		return nil
	})
}

// SawAgent records an agent's answer to a discover, with the current time. Login is the
// sender's, as far as the broker vouches for it. An answer to no known discover is counted
// and dropped. The error is ErrSurplus if there is no room for the answer.
func (s *Store) SawAgent(ctx context.Context, discover string, h *wire.Hello, login string) error {
	seen := time.Now()
	return askNothing(ctx, s, func(a *actor) error { return a.sawAgent(discover, h, login, seen) })
}

// WriteError returns why the store cannot write, and since when, or nil if the last updates
// were stored.
func (s *Store) WriteError(ctx context.Context) (since time.Time, err error) {
	return ask(ctx, s, func(a *actor) (time.Time, error) { return a.failedSince, a.writeError })
}
