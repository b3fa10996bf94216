// Package filesend keeps the streams with the content of this process's pushes, and removes
// those that killed processes have left.
//
// Streams may be used by several goroutines. Each stream has one goroutine, which
// filestream.Sender describes; it ends after the stream is deleted, or with Close. The
// record of a stream is a file in the data directory. It is written before the stream is
// declared and removed after the stream is deleted.
package filesend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"warren/internal/broker"
	"warren/internal/filestream"
)

// directory of the records in the data directory.
const directory = "streams"

const (
	// keepFor is how long the stream of an ended process stays for hosts that still read it.
	keepFor = 24 * time.Hour

	// deleteTimeout is how long Close waits for the deletion of streams that nobody needs.
	deleteTimeout = 5 * time.Second
)

// Streams are the streams of one process.
type Streams struct {
	options broker.Options
	dir     string
	ctx     context.Context //nolint:containedctx // of the goroutines, which outlive the calls
	stop    context.CancelFunc
	work    sync.WaitGroup

	mu   sync.Mutex
	open map[string]*Stream // by queue
}

// A Stream is the content of one push.
type Stream struct {
	Queue string
	Size  int64 // of the content

	confirmed atomic.Int64 // bytes

	wanted   chan int64    // capacity 1: the most that hosts want, in bytes; Streams.mu guards its senders
	keep     chan struct{} // closed by Release
	release  func()
	complete chan struct{} // closed when the broker has everything, or the stream has failed
	finished chan struct{} // closed when the goroutine has ended
	err      error         // once finished is closed: why the content was not sent
	note     record        // Streams.mu guards it
}

// New starts nothing. The data directory exists.
func New(dataDir string, options broker.Options) *Streams {
	options.Once = false
	options.Dial.Name += " (files)"
	ctx, stop := context.WithCancel(context.Background())
	return &Streams{options: options, dir: filepath.Join(dataDir, directory), ctx: ctx, stop: stop, open: map[string]*Stream{}}
}

// A Content is what a stream has.
type Content struct {
	Queue  string
	Key    []byte
	Size   int64
	Open   func(offset int64) io.ReadCloser
	Rate   int64              // bytes in a second; 0 is no limit
	Failed func(reason error) // called if the content cannot be sent to its end
}

// Send declares a stream, and returns once the stream exists. It sends as much of the content as
// Want says, in the background. The error is filestream.ErrNoStream if the broker refuses one.
func (s *Streams) Send(ctx context.Context, c Content) (*Stream, error) {
	if err := s.write(c.Queue, record{}); err != nil {
		return nil, err
	}
	st := &Stream{Queue: c.Queue, Size: c.Size, wanted: make(chan int64, 1), keep: make(chan struct{}), complete: make(chan struct{}), finished: make(chan struct{})}
	st.release = sync.OnceFunc(func() { close(st.keep) })
	sent := sync.OnceFunc(func() { close(st.complete) })
	complete := func() {
		// If it cannot be noted, the next process deletes the stream too early, at worst.
		_ = s.change(st, func(r *record) { r.complete = true })
		sent()
	}
	declared := make(chan struct{})
	sender := filestream.Sender{
		Options: s.options, Queue: c.Queue, Key: c.Key, Size: c.Size, Open: c.Open, Rate: c.Rate, Wanted: st.wanted, Keep: st.keep, Progress: st.confirmed.Store,
		Declared: sync.OnceFunc(func() { close(declared) }), Sent: complete,
	}
	s.mu.Lock()
	s.open[c.Queue] = st
	s.mu.Unlock()
	s.work.Go(func() {
		defer close(st.finished)
		defer sent()
		err := sender.Run(s.ctx)
		s.mu.Lock()
		delete(s.open, c.Queue) // nobody writes the record any more
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			_ = os.Remove(filepath.Join(s.dir, c.Queue)) // if it stays, the next process deletes nothing
		}
		if st.err = err; err != nil && c.Failed != nil && !errors.Is(err, filestream.ErrNoStream) {
			c.Failed(err)
		}
	})
	select {
	case <-declared:
		return st, nil
	case <-st.finished:
		return nil, st.err
	case <-ctx.Done():
		st.Release()
		return nil, ctx.Err()
	}
}

// Assign notes the task that needs the stream, and the lease of this process in the result store.
func (s *Streams) Assign(st *Stream, task, sender string) error {
	return s.change(st, func(r *record) { r.task, r.sender = task, sender })
}

// change changes the record of a stream whose goroutine has not ended.
func (s *Streams) change(st *Stream, f func(*record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&st.note)
	if s.open[st.Queue] == nil {
		return nil
	}
	return s.write(st.Queue, st.note)
}

// Want has the first n bytes of the content sent. A smaller number than before changes nothing.
func (s *Streams) Want(st *Stream, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case unread := <-st.wanted:
		n = max(n, unread)
	default:
	}
	st.wanted <- n
}

// Sent returns how much of the content the broker has, in bytes.
func (st *Stream) Sent() int64 { return st.confirmed.Load() }

// Release lets the stream be deleted: no host needs it any more.
func (st *Stream) Release() { st.release() }

// SendAll sends the whole content of the streams whose tasks are not done, wanted or not, and
// waits until the broker has it: nobody sends it once this process has ended.
func (s *Streams) SendAll(ctx context.Context, done func(task string) bool) error {
	all := s.all()
	for st, task := range all {
		if !done(task) {
			s.Want(st, st.Size)
		}
	}
	for st := range all {
		select {
		case <-st.complete:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// all returns the open streams, with their tasks. A task is empty if it is not known yet.
func (s *Streams) all() map[*Stream]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[*Stream]string{}
	for _, st := range s.open {
		all[st] = st.note.task
	}
	return all
}

// Close deletes the streams that were released, and leaves the others to a later process.
func (s *Streams) Close() {
	late, stop := context.WithTimeout(s.ctx, deleteTimeout)
	defer stop()
	for st := range s.all() {
		select {
		case <-st.keep:
		default:
			continue
		}
		select {
		case <-st.finished:
		case <-late.Done():
		}
	}
	s.stop()
	s.work.Wait()
}

// A record is what later processes know of a stream.
type record struct {
	task     string // that needs it; empty: it is not known yet
	sender   string // lease of the process that sends the content, with a task
	complete bool   // the broker has the whole content
}

const completeMark = "complete"

func (s *Streams) write(queue string, r record) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, queue), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot note the stream: %w", err)
	}
	lines := []string{r.task, r.sender}
	if r.complete {
		lines = append(lines, completeMark)
	}
	_, err = f.WriteString(strings.Join(lines, "\n"))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *Streams) read(queue string) (r record, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, queue))
	if err != nil {
		return r, err
	}
	lines := append(strings.Split(string(text), "\n"), "", "", "")
	return record{lines[0], lines[1], lines[2] == completeMark}, nil
}

// Sweep deletes the streams of ended processes. needed reports whether hosts may still read
// the stream of a task, which is complete or not, and which the process with that lease sends.
// Sweep returns the tasks that need theirs.
func (s *Streams) Sweep(ctx context.Context, needed func(task, sender string, complete bool) bool) (kept []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, e := range entries {
		r, age, ok := s.foreign(e)
		switch {
		case !ok || r.task == "" && age <= unassignedFor:
		case r.task == "" || age > keepFor || !needed(r.task, r.sender, r.complete):
			stale = append(stale, e.Name())
		default:
			kept = append(kept, r.task)
		}
	}
	if len(stale) == 0 {
		return kept, nil
	}
	deleted, err := filestream.Delete(ctx, s.options, stale)
	for _, queue := range deleted {
		err = errors.Join(err, os.Remove(filepath.Join(s.dir, queue)))
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return kept, err
}

// unassignedFor is how long a process may take from the declaration to the task.
const unassignedFor = 10 * time.Minute

// foreign reads the record of another process's stream.
func (s *Streams) foreign(e fs.DirEntry) (r record, age time.Duration, ok bool) {
	s.mu.Lock()
	own := s.open[e.Name()] != nil
	s.mu.Unlock()
	info, err := e.Info()
	if own || err != nil {
		return r, 0, false
	}
	r, err = s.read(e.Name())
	return r, time.Since(info.ModTime()), err == nil
}
