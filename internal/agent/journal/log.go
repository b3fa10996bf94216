package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"warren/internal/datadir"
	"warren/internal/hint"
)

// inboxSize is how many requests wait during a sync and share the next one. A caller with
// fewer unanswered requests never waits in Append.
const inboxSize = 64

// A Log is a handle on the journal.
type Log struct {
	lock    *datadir.Lock
	w       *writer // Open's, then Run's, then Close's
	created time.Time
	torn    int64
	isNew   bool
	size    int64

	inbox   chan *request // from any caller → Run
	done    chan struct{} // closed by Run as it ends
	stopped error         // written by Run before it closes done, read after
}

// An Answer says what became of a request.
type Answer struct {
	Err  error
	Size int64 // bytes of the journal then, without the room ahead

	// Synced is how long the sync of the request took; zero if it needed none of its own.
	Synced time.Duration
}

// A request is a call of Append or Rewrite.
type request struct {
	records [][]byte
	mode    Mode
	rewrite iter.Seq[[]byte]
	answer  chan Answer // one slot
}

// Open opens the journal in dir, or creates it, and calls replay with each record in order. The
// bytes are valid during the call. Open returns an error of replay. It starts nothing. Its
// own errors have hints: ErrLocked, ErrDamaged (then Reset helps), ErrFull for a new journal
// without space, and errors of the file system.
func Open(dir string, o Options, replay func(record []byte) error) (*Log, error) {
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	l, err := open(osDir(dir), o, replay)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	l.lock = lock
	return l, nil
}

// lockTimeout is how long the lock of a killed agent may still be held, by a child between fork
// and exec that has the agent's descriptors.
const lockTimeout = time.Second

// acquire locks the directory.
func acquire(dir string) (*datadir.Lock, error) {
	if err := datadir.Prepare(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	lock, err := datadir.Acquire(ctx, osDir(dir).Path(lockName))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, hint.Errorf("end the other agent, or give each its own --data-dir",
			"data directory %s: %w", dir, ErrLocked)
	case err != nil:
		return nil, hint.Errorf("choose another with --data-dir, or mend its owner and mode",
			"data directory: %w", err)
	}
	return lock, nil
}

// open is Open of any directory, without a lock.
func open(dir directory, o Options, replay func(record []byte) error) (*Log, error) {
	o = o.withDefaults()
	w := &writer{dir: dir, path: dir.Path(fileName), reserve: o.Reserve, ahead: o.ahead}
	if err := dir.Remove(newName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain(w.path, "remove what a rewriting has left", err)
	}
	r, err := w.open(replay)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew {
		h := header{created: o.Now().Truncate(time.Millisecond)}
		rand.Read(h.id[:])
		rand.Read(h.salt[:])
		err = w.create(h)
	}
	if err != nil {
		if w.f != nil {
			err = closing(w.f, err)
		}
		return nil, err
	}
	return &Log{
		w: w, created: w.header.created, torn: r.torn, isNew: isNew, size: w.end,
		inbox: make(chan *request, inboxSize), done: make(chan struct{}),
	}, nil
}

// Created returns when the journal was created, to the millisecond.
func (l *Log) Created() time.Time { return l.created }

// IsNew reports whether Open has created the journal.
func (l *Log) IsNew() bool { return l.isNew }

// Torn returns how many bytes of a torn tail Open has removed.
func (l *Log) Torn() int64 { return l.torn }

// Size returns the size in bytes after Open; each Answer has a later one.
func (l *Log) Size() int64 { return l.size }

// Append queues records behind everything that was queued before. It waits while inboxSize
// requests are queued. Its own errors are ErrTooLarge, ErrStopped and those of ctx; nothing
// was queued then. After a crash before the answer, or before a sync, the log may have only
// the first of the records. Sync without records waits until everything is on the disk.
func (l *Log) Append(ctx context.Context, records [][]byte, m Mode) (<-chan Answer, error) {
	for _, r := range records {
		if len(r) > MaxRecord {
			return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(r), MaxRecord)
		}
	}
	return l.send(ctx, &request{records: records, mode: m})
}

// Rewrite queues the replacement of everything that was appended before by records. Run's
// goroutine iterates over them, so nobody may change them. After an error other than
// ErrStopped the old content stays. All other requests wait until the records are written
// and synced.
func (l *Log) Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan Answer, error) {
	return l.send(ctx, &request{rewrite: records})
}

// send sends a request to Run, which answers every request in its inbox, even after it has
// closed done.
func (l *Log) send(ctx context.Context, r *request) (<-chan Answer, error) {
	r.answer = make(chan Answer, 1)
	select {
	case l.inbox <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, l.stopped
	}
	select {
	case <-l.done:
		if len(r.answer) == 0 { // it came too late, or its answer is on the way
			return nil, l.stopped
		}
	default:
	}
	return r.answer, nil
}

// Close closes the file and releases the lock, after Run has returned.
func (l *Log) Close() error {
	var err error
	if l.w.f != nil {
		err = l.w.f.Close()
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Unlock())
	}
	return err
}
