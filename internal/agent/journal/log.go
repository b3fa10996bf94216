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

// inboxSize is how many requests wait during a sync, to share the next one. A
// caller with fewer than this unanswered never waits in Append.
const inboxSize = 64

// A Log is the handle on a journal.
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
}

// A request is one call of Append or Rewrite.
type request struct {
	records [][]byte
	mode    Mode
	rewrite iter.Seq[[]byte]
	answer  chan Answer // one slot
}

// Open opens the journal in dir, which it creates where absent, and calls replay
// with each record in order; the bytes are valid during the call, and an error
// of replay is returned. It starts nothing. The errors: ErrLocked, ErrDamaged
// (then Reset helps), ErrFull for a new journal without room, others of the file
// system; all of them with a hint.
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

// lockTime is how long the lock of an agent that was killed may still be held: by a
// child of its between fork and exec, which has its descriptors until then.
const lockTime = time.Second

// acquire locks the directory.
func acquire(dir string) (*datadir.Lock, error) {
	if err := datadir.Prepare(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
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

// Created is when the journal was made, to the millisecond.
func (l *Log) Created() time.Time { return l.created }

// IsNew reports whether Open has made the journal.
func (l *Log) IsNew() bool { return l.isNew }

// Torn is how many bytes Open has cut off.
func (l *Log) Torn() int64 { return l.torn }

// Size is how many bytes Open has found, or made; each Answer has a later one.
func (l *Log) Size() int64 { return l.size }

// Append queues records behind all that was queued before. It waits while
// inboxSize requests are queued; its own errors are ErrTooLarge, ErrStopped and
// those of ctx, and then nothing was queued. After a crash before the answer, or
// before a sync, the first of the records may be there without the others. No
// records with Sync have the answer wait until all before is on the disk.
func (l *Log) Append(ctx context.Context, records [][]byte, m Mode) (<-chan Answer, error) {
	for _, r := range records {
		if len(r) > MaxRecord {
			return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(r), MaxRecord)
		}
	}
	return l.send(ctx, &request{records: records, mode: m})
}

// Rewrite queues the replacement of all that was appended before by records,
// which Run's goroutine iterates over: they must not be shared with one that
// changes them. On any error but ErrStopped the old content stays, and whatever
// was appended with it. While it runs, and that is as long as all records take
// to be written and synced, everything else waits.
func (l *Log) Rewrite(ctx context.Context, records iter.Seq[[]byte]) (<-chan Answer, error) {
	return l.send(ctx, &request{rewrite: records})
}

// send gives a request to Run. One that it has taken is answered: Run answers
// what is in the inbox after it has closed done.
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
		if len(r.answer) == 0 { // it came too late, or is being told so
			return nil, l.stopped
		}
	default:
	}
	return r.answer, nil
}

// Close gives up the file and the lock, after Run has returned.
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
