// Package filesend keeps the streams with the content of this process's pushes, and removes
// those that killed processes have left.
//
// Streams may be used by several goroutines. Each stream has one goroutine, which
// filestream.Sender describes; it ends after the stream is deleted, or with Close. The
// record of a stream is a file in the data directory. It is written before the stream is
// declared and removed after the stream is deleted. Until then, a later process tries again.
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
	"warren/internal/operator/model"
	"warren/internal/wire"
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
	open map[*Stream]bool
}

// A Stream is the content of one push. It may go through the queues of the hosts instead; then it
// has no record.
type Stream struct {
	Queue string // wire.OwnQueue: the queue of each host
	Size  int64  // of the content

	sent atomic.Int64 // bytes

	wanted    chan int64                    // capacity 1: the most that hosts want, in bytes; Streams.mu guards its senders
	hosts     chan []filestream.Destination // capacity 1: the jobs that receive it through their hosts' queues; Streams.mu guards its senders
	keep      chan struct{}                 // closed by Release
	release   func()
	completed func()
	complete  chan struct{} // closed when the broker has everything, or the stream has failed
	finished  chan struct{} // closed when the goroutine has ended
	err       error         // once finished is closed: why the content was not sent
	gone      bool          // the broker has no stream; only the goroutine uses it
	note      record        // Streams.mu guards it
}

// New starts nothing. The data directory exists.
func New(dataDir string, options broker.Options) *Streams {
	options.Once = false
	options.Dial.Name += " (files)"
	ctx, stop := context.WithCancel(context.Background())
	return &Streams{options: options, dir: filepath.Join(dataDir, directory), ctx: ctx, stop: stop, open: map[*Stream]bool{}}
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
// Want says, in the background. The error is filestream.ErrNoStream if the broker refuses one, and
// filestream.ErrNoConnection without a connection.
func (s *Streams) Send(ctx context.Context, c Content) (*Stream, error) {
	if err := s.write(c.Queue, record{}); err != nil {
		return nil, err
	}
	st := newStream(c)
	complete := func() {
		// If it cannot be noted, the next process deletes the stream too early, at worst.
		_ = s.change(st, func(r *record) { r.complete = true })
		st.completed()
	}
	declared := make(chan struct{})
	sender := filestream.Sender{
		Options: s.options, Queue: c.Queue, Key: c.Key, Size: c.Size, Open: c.Open, Rate: c.Rate, Wanted: st.wanted, Keep: st.keep, Progress: st.sent.Store,
		Declared: sync.OnceFunc(func() { close(declared) }), Sent: complete, Gone: func() { st.gone = true },
	}
	s.start(st, c, sender.Run)
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

// SendToHosts sends the content to each host through the host's own queue, as Want says, in the
// background.
func (s *Streams) SendToHosts(c Content) *Stream {
	c.Queue = wire.OwnQueue
	st := newStream(c)
	sender := filestream.HostSender{Options: s.options, Key: c.Key, Size: c.Size, Open: c.Open, Rate: c.Rate, Hosts: st.hosts, Keep: st.keep}
	s.start(st, c, sender.Run)
	return st
}

func newStream(c Content) *Stream {
	st := &Stream{
		Queue: c.Queue, Size: c.Size, wanted: make(chan int64, 1), hosts: make(chan []filestream.Destination, 1),
		keep: make(chan struct{}), complete: make(chan struct{}), finished: make(chan struct{}),
	}
	st.release = sync.OnceFunc(func() { close(st.keep) })
	st.completed = sync.OnceFunc(func() { close(st.complete) })
	return st
}

// start sends the content of a stream in a goroutine of its own.
func (s *Streams) start(st *Stream, c Content, send func(context.Context) error) {
	s.mu.Lock()
	s.open[st] = true
	s.mu.Unlock()
	s.work.Go(func() {
		defer close(st.finished)
		defer st.completed()
		err := send(s.ctx)
		s.mu.Lock()
		delete(s.open, st) // nobody writes the record any more
		s.mu.Unlock()
		if st.gone {
			_ = os.Remove(filepath.Join(s.dir, c.Queue)) // if it stays, the next process deletes nothing
		}
		if st.err = err; err != nil && c.Failed != nil && !errors.Is(err, filestream.ErrNoStream) && !errors.Is(err, filestream.ErrNoConnection) { // Send returns these
			c.Failed(err)
		}
	})
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
	if !s.open[st] || st.Queue == wire.OwnQueue {
		return nil
	}
	return s.write(st.Queue, st.note)
}

// Want has as much of the content sent as hosts want. A stream never sends less than was wanted
// before.
func (s *Streams) Want(st *Stream, t model.Transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.Queue != wire.OwnQueue {
		st.want(t.Wanted)
		return
	}
	hosts := make([]filestream.Destination, len(t.Hosts))
	least := st.Size
	for i, h := range t.Hosts {
		hosts[i] = filestream.Destination(h)
		least = min(least, h.Received)
	}
	st.sent.Store(least)
	select {
	case <-st.hosts:
	default:
	}
	st.hosts <- hosts
}

// want has the first n bytes sent.
func (st *Stream) want(n int64) {
	select {
	case unread := <-st.wanted:
		n = max(n, unread)
	default:
	}
	st.wanted <- n
}

// Sent returns how much of the content the broker has, in bytes; if it goes through the hosts'
// queues, how much the slowest host has.
func (st *Stream) Sent() int64 { return st.sent.Load() }

// Release lets the stream be deleted: no host needs it any more.
func (st *Stream) Release() { st.release() }

// SendAll sends the whole content of the streams that hosts may need, wanted or not, and waits until
// the broker has it, or the hosts if it goes through their queues: nobody sends it once this process
// has ended. idle reports whether all jobs of a task that were sent have ended: it needs no content.
func (s *Streams) SendAll(ctx context.Context, idle func(task string) bool) error {
	all := s.all()
	for st, task := range all {
		if !idle(task) {
			s.mu.Lock()
			st.want(st.Size)
			s.mu.Unlock()
		}
	}
	tick := time.NewTicker(idleInterval)
	defer tick.Stop()
	for st, task := range all {
		for sent := false; !sent; {
			select {
			case <-st.complete:
				sent = true
			case <-tick.C:
				sent = idle(task)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// idleInterval is how often SendAll asks whether a task is idle.
const idleInterval = 200 * time.Millisecond

// all returns the open streams, with their tasks. A task is empty if it is not known yet.
func (s *Streams) all() map[*Stream]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[*Stream]string{}
	for st := range s.open {
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

// unfinished is how the name of a record begins that is not written yet.
const unfinished = ".new-"

// write replaces a record as a whole: without its task, another process would delete the stream.
func (s *Streams) write(queue string, r record) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, unfinished)
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
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, queue))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot note the stream: %w", err), os.Remove(f.Name()))
	}
	return nil
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
// the stream of a task, because it is complete, or because the process with that lease lives. Sweep
// returns the tasks that need theirs.
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
		case strings.HasPrefix(e.Name(), unfinished):
			if age > unassignedFor { // its process was killed
				err = errors.Join(err, os.Remove(filepath.Join(s.dir, e.Name())))
			}
		case !ok || r.task == "" && age <= unassignedFor:
		case r.task == "" || !needed(r.task, r.sender, r.complete && age <= keepFor):
			stale = append(stale, e.Name())
		default:
			kept = append(kept, r.task)
		}
	}
	if len(stale) == 0 {
		return kept, err
	}
	deleted, failed := filestream.Delete(ctx, s.options, stale)
	err = errors.Join(err, failed)
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
	own := false
	for st := range s.open {
		own = own || st.Queue == e.Name()
	}
	s.mu.Unlock()
	info, err := e.Info()
	if own || err != nil {
		return r, 0, false
	}
	r, err = s.read(e.Name())
	return r, time.Since(info.ModTime()), err == nil
}
