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

	keep     chan struct{} // closed by Release
	release  func()
	sent     chan struct{} // closed when the broker has everything, or the stream has failed
	finished chan struct{} // closed when the goroutine has ended
	err      error         // once finished is closed: why the content was not sent
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
	Queue    string
	Key      []byte
	Size     int64
	Open     func(offset int64) io.ReadCloser
	Rate     int64              // bytes in a second; 0 is no limit
	Progress func(sent int64)   // may be nil
	Failed   func(reason error) // called if the content cannot be sent to its end
}

// Send declares a stream and begins to send the content. It returns once the stream exists.
// The error is filestream.ErrNoStream if the broker refuses one.
func (s *Streams) Send(ctx context.Context, c Content) (*Stream, error) {
	if err := s.record(c.Queue, ""); err != nil {
		return nil, err
	}
	st := &Stream{Queue: c.Queue, keep: make(chan struct{}), sent: make(chan struct{}), finished: make(chan struct{})}
	st.release = sync.OnceFunc(func() { close(st.keep) })
	sent := sync.OnceFunc(func() { close(st.sent) })
	declared := make(chan struct{})
	sender := filestream.Sender{
		Options: s.options, Queue: c.Queue, Key: c.Key, Size: c.Size, Open: c.Open, Rate: c.Rate, Keep: st.keep, Progress: c.Progress,
		Declared: sync.OnceFunc(func() { close(declared) }), Sent: sent,
	}
	s.mu.Lock()
	s.open[c.Queue] = st
	s.mu.Unlock()
	s.work.Go(func() {
		defer close(st.finished)
		defer sent()
		err := sender.Run(s.ctx)
		if s.ctx.Err() == nil {
			_ = os.Remove(filepath.Join(s.dir, c.Queue)) // if it stays, the next process deletes nothing
		}
		s.mu.Lock()
		delete(s.open, c.Queue)
		s.mu.Unlock()
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

// Assign notes the task that needs the stream.
func (s *Streams) Assign(st *Stream, task string) error { return s.record(st.Queue, task) }

// Release lets the stream be deleted: no host needs it any more.
func (st *Stream) Release() { st.release() }

// Sent waits until the broker has the content of all streams.
func (s *Streams) Sent(ctx context.Context) error {
	for _, st := range s.all() {
		select {
		case <-st.sent:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *Streams) all() (all []*Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.open {
		all = append(all, st)
	}
	return all
}

// Close deletes the streams that were released, and leaves the others to a later process.
func (s *Streams) Close() {
	late, stop := context.WithTimeout(s.ctx, deleteTimeout)
	defer stop()
	for _, st := range s.all() {
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

// record writes which task needs a stream; an empty task is not known yet.
func (s *Streams) record(queue, task string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, queue), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot note the stream: %w", err)
	}
	_, err = f.WriteString(task)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Sweep deletes the streams of ended processes. needed reports whether hosts may still read
// the stream of a task; the task is empty if it was never created.
func (s *Streams) Sweep(ctx context.Context, needed func(task string) bool) error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var stale []string
	for _, e := range entries {
		if s.isStale(e, needed) {
			stale = append(stale, e.Name())
		}
	}
	if len(stale) == 0 {
		return nil
	}
	deleted, err := filestream.Delete(ctx, s.options, stale)
	for _, queue := range deleted {
		err = errors.Join(err, os.Remove(filepath.Join(s.dir, queue)))
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// unassignedFor is how long a process may take from the declaration to the task.
const unassignedFor = 10 * time.Minute

func (s *Streams) isStale(e fs.DirEntry, needed func(task string) bool) bool {
	s.mu.Lock()
	own := s.open[e.Name()] != nil
	s.mu.Unlock()
	if own {
		return false
	}
	info, err := e.Info()
	if err != nil {
		return false
	}
	text, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
	if err != nil {
		return false
	}
	task, age := strings.TrimSpace(string(text)), time.Since(info.ModTime())
	if task == "" {
		return age > unassignedFor
	}
	return age > keepFor || !needed(task)
}
