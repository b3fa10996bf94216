package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"warren/dispatcher"
	"warren/internal/files"
	"warren/internal/filestream"
	"warren/internal/hint"
	"warren/internal/operator/filesend"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/command"
)

const (
	// mostInline is the content that travels in the requests: less than a stream costs.
	mostInline = 16 << 10

	// streamTimeout is how long Push waits for the broker to make the stream, with a connection for
	// it.
	streamTimeout = time.Minute
)

// A pusher sends files. It is a part of the Operator, whose goroutines call it.
type pusher struct {
	streams    *filesend.Streams
	login      string // at the broker
	store      *results.Store
	dispatcher *dispatcher.Dispatcher
	notify     func(notice error)
	start      func(actor func(context.Context) error)
	releasing  sync.WaitGroup // actors that release a stream when its task is done

	mu        sync.Mutex
	transfers map[string]*transfer // under way, by task
}

// Push creates a task that writes files; see command.Engine. It fills in the members of
// spec.Run.Push that describe the content.
func (o *pusher) Push(ctx context.Context, spec model.Spec, content command.PushContent) (model.Task, error) {
	source := content.Source
	p := *spec.Run.Push
	p.ManifestSize, p.Digest, p.Size = int64(len(source.Text)), source.Digest[:], source.Size()
	if p.ManifestSize <= wire.MaxInlineManifest {
		p.Manifest = source.Text
	}
	spec.Run.Push = &p
	followed := false
	defer func() {
		if !followed && content.Closed != nil {
			content.Closed()
		}
	}()
	if p.Manifest != nil && p.Size <= mostInline {
		return o.pushInline(ctx, spec, source)
	}
	stream, err := o.startStream(ctx, &spec, content)
	if err != nil {
		return model.Task{}, err
	}
	task, err := o.dispatcher.Submit(ctx, spec)
	if err != nil {
		stream.Release()
		return task, err
	}
	if err := o.streams.Assign(stream, task.ID, o.store.Lease()); err != nil {
		o.notify(err)
	}
	followed = true
	o.releasing.Add(1)
	o.start(func(ctx context.Context) error {
		defer o.releasing.Done()
		if content.Closed != nil {
			defer content.Closed()
		}
		o.follow(ctx, stream, task.ID)
		return nil
	})
	return task, nil
}

// pushInline sends the content in the secret of the requests.
func (o *pusher) pushInline(ctx context.Context, spec model.Spec, source *files.Source) (model.Task, error) {
	if source.Size() > 0 {
		c := source.Open(0)
		defer func() { _ = c.Close() }()
		content, err := io.ReadAll(c)
		if err != nil {
			return model.Task{}, fmt.Errorf("nothing was sent: %w", err)
		}
		spec.Secret = &wire.Secret{Content: content}
	}
	return o.dispatcher.Submit(ctx, spec)
}

// startStream begins to send the content, through a stream or, if the broker refuses one, through
// the hosts' queues. It sets what the request says about it.
func (o *pusher) startStream(ctx context.Context, spec *model.Spec, content command.PushContent) (*filesend.Stream, error) {
	key, err := filestream.NewKey()
	if err != nil {
		return nil, err
	}
	p := *spec.Run.Push
	source := content.Source
	var prefix []byte
	if p.Manifest == nil {
		prefix = source.Text
	}
	failed := func(outcome error) func(error) {
		return func(reason error) { o.notify(fmt.Errorf("%w: %w", outcome, reason)) }
	}
	c := filesend.Content{
		Queue: wire.FileQueue(o.login, randomName()), Key: key, Size: int64(len(prefix)) + p.Size, Rate: content.Rate,
		Open:   func(offset int64) io.ReadCloser { return openContent(prefix, source, offset) },
		Failed: failed(errNoHost),
	}
	patient, stop := context.WithTimeout(ctx, streamTimeout)
	defer stop()
	stream, err := o.streams.Send(patient, c)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, hint.Errorf("check the nodes of the broker's cluster: a stream needs most of them",
			"the broker has not made the stream of the content within %s; nothing was sent", streamTimeout)
	}
	if errors.Is(err, filestream.ErrNoStream) {
		o.notify(hint.Errorf("stream queues need RabbitMQ 3.9 or later with the feature flag stream_queue, and the permissions of warren broker-setup",
			"each host gets a copy of the content through its own queue, which takes longer: %w", err))
		c.Failed = failed(errSomeHosts)
		stream, err = o.streams.SendToHosts(c), nil
	}
	if err != nil {
		return nil, err
	}
	p.Queue = stream.Queue
	spec.Run.Push, spec.Secret = &p, &wire.Secret{Key: key}
	return stream, nil
}

// What a push comes to whose content cannot be sent to its end.
var (
	errNoHost    = errors.New("the content of the push was not sent to its end, and no host replaces a file")
	errSomeHosts = errors.New("the content of the push was not sent to its end; hosts that lack some of it give up after two minutes, and replace no file")
)

// openContent returns prefix and the content of the source, from an offset on.
func openContent(prefix []byte, source *files.Source, offset int64) io.ReadCloser {
	n := min(offset, int64(len(prefix)))
	c := source.Open(offset - n)
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(prefix[n:]), c), c}
}

// follow has as much of the stream sent as hosts want, and releases it when the task is done.
func (o *pusher) follow(ctx context.Context, stream *filesend.Stream, task string) {
	defer o.forget(task)
	if o.supply(ctx, stream, task) || o.isDone(task) { // it may have ended in the same moment as the actors
		stream.Release()
	}
}

// supply has as much of the stream sent as hosts want. It returns what wait returns.
func (o *pusher) supply(ctx context.Context, stream *filesend.Stream, task string) bool {
	interval := time.Second
	if stream.Queue == wire.OwnQueue {
		interval = 0 // each report of a host lets its next chunks be sent
	}
	transfers, unwatch, err := results.WatchTransfer(ctx, o.store, task, interval)
	if err != nil {
		return false
	}
	defer unwatch()
	return o.wait(ctx, task, transfers, func(t model.Transfer) {
		o.streams.Want(stream, t)
		o.transferred(task, stream, t)
	})
}

// A transfer is the content of a push that hosts want.
type transfer struct {
	stream *filesend.Stream
	began  time.Time
	last   model.Transfer
}

// transferred notes how far the hosts have come.
func (o *pusher) transferred(task string, stream *filesend.Stream, last model.Transfer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last.Wanted == 0 && o.transfers[task] == nil {
		return
	}
	t := o.transfers[task]
	if t == nil {
		t = &transfer{stream: stream, began: time.Now()}
		o.transfers[task] = t
	}
	t.last = last
}

func (o *pusher) forget(task string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.transfers, task)
}

// Transfer returns how far the content of a task has come; see command.Engine.
func (o *pusher) Transfer(task string) (t model.Transfer, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.transfers[task]
	if x == nil {
		return t, false
	}
	t = x.last
	t.Began, t.Sent, t.Size = x.began, x.stream.Sent(), x.stream.Size
	return t, true
}

// wait waits until a task is done, and calls each with the transfers, if there are any. It
// returns false if ctx or the store ends before, and a later process deletes the stream.
func (o *pusher) wait(ctx context.Context, task string, transfers <-chan model.Transfer, each func(model.Transfer)) bool {
	summaries, unwatch, err := o.store.Watch(ctx, task)
	if err != nil {
		return false
	}
	defer unwatch()
	for {
		select {
		case s, ok := <-summaries:
			if !ok || s.Ended == s.Hosts {
				return ok
			}
		case t, ok := <-transfers:
			if !ok {
				return false
			}
			each(t)
		case <-ctx.Done():
			return false
		}
	}
}

func (o *pusher) isDone(task string) bool {
	t, err := o.find(task)
	return err == nil && t.Done()
}

// isIdle reports whether each job of a task has ended that was sent to its host: the task is done, or
// between two stages of its rollout, or paused.
func (o *pusher) isIdle(task string) bool {
	t, err := o.find(task)
	return err == nil && (t.Done() || t.Rollout != nil && t.Summary.Ended >= t.Rollout.Released())
}

func (o *pusher) find(task string) (model.Task, error) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	return o.store.Find(ctx, task)
}

// sweepStreams deletes the streams of ended processes: now, or when their tasks are done.
func (o *pusher) sweepStreams(ctx context.Context) error {
	for _, task := range o.sweep(ctx) {
		o.start(func(ctx context.Context) error {
			if o.wait(ctx, task, nil, nil) {
				o.sweep(ctx)
			}
			return nil
		})
	}
	return nil
}

// sweep deletes what no task needs any more, and returns the tasks that need theirs.
func (o *pusher) sweep(ctx context.Context) (kept []string) {
	kept, err := o.streams.Sweep(ctx, func(task, sender string, complete bool) bool {
		t, err := o.store.Find(ctx, task)
		// Nobody sends the rest of the content if its process has ended. Another process may
		// drive the task.
		if err != nil {
			return !errors.Is(err, results.ErrNoTask) // the next process tries again
		}
		return !t.Done() && (complete || o.store.HasDriver(ctx, model.Task{Driver: sender}))
	})
	if err != nil {
		o.notify(fmt.Errorf("streams of ended processes could not be deleted: %w", err))
	}
	return kept
}

// settled waits until the broker has what hosts may need.
func (o *pusher) settled(ctx context.Context, task string) error {
	if err := o.dispatcher.Settled(ctx, task); err != nil {
		return err
	}
	return o.streams.SendAll(ctx, o.isIdle)
}
