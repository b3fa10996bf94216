package process

import (
	"context"
	"errors"
	"sync"
	"time"

	"warren/internal/agent/process/proctree"
)

const (
	// identifyDelay is how long a command runs before Run determines its identity. Most
	// commands end sooner and need none.
	identifyDelay = 10 * time.Millisecond
	// streamDelay is how long Run only collects output. The output of a command that ends
	// within this time is in the Result alone.
	streamDelay = 100 * time.Millisecond
	// coalesceDelay is how long a partial chunk waits for more output.
	coalesceDelay = 100 * time.Millisecond
	// maxBacklog is how many bytes of a stream may wait for out before Run stops reading
	// its pipe. It holds a few chunks, so that the command continues while out takes one
	// of them.
	maxBacklog = 8 * ChunkSize
	// drainTimeout is how long Run waits for the end of the outputs after the command has
	// ended: a background process can keep one open. After this time Run still reads what
	// the pipes hold, however long that takes.
	drainTimeout = 500 * time.Millisecond
)

// A Runner executes one command. It has the contract of Run.
type Runner func(ctx context.Context, spec Spec, started func(proctree.Identity), out func(Chunk)) Result

// Run starts the command and returns when the command has ended and its outputs are
// closed or abandoned. The command has ended when its leader has exited by itself, or
// when Run has ended everything that it started, because of its timeout or the end of
// ctx.
//
// Once the command has run for 10 ms, Run calls started with its leader. Run does
// nothing else meanwhile, so started must be quick. Run does not call it for a command
// that ends sooner.
//
// Run passes the chunks of the first half of the kept output to out while the command
// runs. It calls out from one goroutine and only after the command has run for 100 ms.
// All other kept output is in the Result. out may block: then the command blocks too,
// once its pipe is full, but its timeout still applies. Run returns only after out has
// returned, so out must return when ctx ends. started and out may be nil.
func Run(ctx context.Context, spec Spec, started func(proctree.Identity), out func(Chunk)) Result {
	if ctx.Err() != nil {
		return Result{Canceled: true, ExitCode: -1}
	}
	l, p, err := launch(ctx, spec)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return Result{Canceled: true, ExitCode: -1}
	}
	if err != nil {
		return Result{Err: err, ExitCode: -1}
	}
	r := newRunning(l, p, spec, out)
	r.supervise(ctx, after(spec.Timeout), started)
	r.end()
	r.drain()
	return r.finish()
}

// after is time.After, but never fires if d is 0.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// running is the state of a command from its start to its Result. Only Run's goroutine
// uses it.
type running struct {
	leader    *leader
	spec      Spec
	pipes     *pipes
	stopInput func()         // ends Spec.Input; nil if there is no standard input
	helpers   sync.WaitGroup // readers, stdin writer, emitter and stopper; the waiter ends with exited

	exited  <-chan leaderExit // waiter → running, once
	ended   *leaderExit       // what exited delivered
	stopped <-chan stopResult // stopper → running, once per stop; nil if no stop is in progress
	leaving bool              // Spec.Leave is closed

	reads    [2]<-chan []byte // reader → running; nil after the end of the stream
	heldOpen [2]bool          // a process may still write to the stream; set by the reader before it closes reads
	emit     chan Chunk       // running → emitter; nil until the first chunk

	out        func(Chunk)
	captures   [2]capture
	nextStream int              // index of the capture to emit from next
	flush      <-chan time.Time // nil while no partial chunk waits
	streaming  bool             // streamDelay is over

	result Result
}

// A leaderExit is the end of the leader. err means that this program did not observe
// it.
type leaderExit struct {
	at  time.Time
	err error
}

// A stopResult is the result of a request to end the command.
type stopResult struct {
	reason    *bool // the field of the Result to set if the request ended the leader
	reached   bool  // a signal reached the leader while it was alive
	killed    int
	left      []proctree.Process
	leftCount int
	err       error // why some processes did not end
}

func newRunning(l *leader, p *pipes, spec Spec, out func(Chunk)) *running {
	r := &running{
		leader:   l,
		spec:     spec,
		pipes:    p,
		out:      out,
		captures: [2]capture{newCapture(Stdout, spec.MaxOutput, spec.KeepStart), newCapture(Stderr, spec.MaxOutput, spec.KeepStart)},
		result:   Result{Started: true, ExitCode: -1, StartedAt: time.Now()},
	}
	if out != nil {
		r.flush = time.After(streamDelay)
	}
	exited := make(chan leaderExit, 1) // 1: the waiter never blocks
	r.exited = exited
	go func() {
		err := l.wait()
		exited <- leaderExit{time.Now(), err}
	}()
	for i, f := range p.read {
		blocks := make(chan []byte)
		r.reads[i] = blocks
		r.helpers.Go(func() {
			defer close(blocks)
			r.heldOpen[i] = readBlocks(f, blocks)
		})
	}
	if p.stdin != nil {
		var ctx context.Context
		ctx, r.stopInput = context.WithCancel(context.Background())
		r.helpers.Go(func() { writeStdin(ctx, p.stdin, spec.Stdin, spec.Input) })
	}
	return r
}

// supervise handles events until the leader has exited and no stop is in progress, or
// until the caller leaves and the leader could not be ended.
func (r *running) supervise(ctx context.Context, expired <-chan time.Time, started func(proctree.Identity)) {
	canceled, leave := ctx.Done(), r.spec.Leave
	var identify <-chan time.Time
	if started != nil {
		identify = time.After(identifyDelay)
	}
	for !r.isDone() {
		emit, chunk := r.next()
		if r.stopped != nil || r.ended != nil {
			expired = nil
		}
		select {
		case e := <-r.exited:
			r.handleExit(e)
			canceled, identify = nil, nil
		case <-identify:
			identify = nil
			if len(r.exited) > 0 { // both are ready
				continue
			}
			started(r.leader.identity())
		case <-canceled:
			canceled = nil
			r.stop(&r.result.Canceled)
		case <-leave:
			leave = nil
			r.leaving = true
			r.stop(&r.result.Canceled)
		case <-expired:
			expired = nil
			r.stop(&r.result.TimedOut)
		case s := <-r.stopped:
			r.handleStop(s)
		case p, ok := <-r.input(0):
			r.handleRead(0, p, ok)
		case p, ok := <-r.input(1):
			r.handleRead(1, p, ok)
		case <-r.flush:
			r.flushAll()
		case emit <- chunk:
			r.emitted()
		}
	}
}

// isDone reports whether supervise has nothing left to wait for.
func (r *running) isDone() bool {
	return r.stopped == nil && (r.ended != nil || r.leaving && !r.leader.exited())
}

// handleExit records the end of the leader. If Spec.KillLeftovers is set, it ends the
// processes that the leader left, unless a stop is in progress.
func (r *running) handleExit(e leaderExit) {
	r.exited, r.ended = nil, &e
	if e.err == nil && r.stopped == nil && r.spec.KillLeftovers {
		if r.result.Left, r.result.LeftCount = r.leader.leftovers(); r.result.LeftCount > 0 {
			r.endTree(nil)
		}
	}
}

// stop ends everything that the command has started, unless a stop is in progress. If
// the leader has exited by now, it did so by itself: its status is kept, and the
// waiter is about to report it.
func (r *running) stop(reason *bool) {
	if r.stopped == nil && r.ended == nil && !r.leader.exited() {
		r.endTree(reason)
	}
}

// endTree starts the goroutine that ends the command's processes.
func (r *running) endTree(reason *bool) {
	answer := make(chan stopResult, 1) // 1: the stopper never blocks
	r.stopped = answer
	r.helpers.Go(func() {
		s := r.leader.stop(r.spec.Grace)
		s.reason = reason
		answer <- s
	})
}

// handleStop records the result of a stop. If the leader could not be ended, Run
// continues: the leader may end by itself, or another stop may succeed.
func (r *running) handleStop(s stopResult) {
	r.stopped = nil
	r.result.Killed += s.killed
	r.result.Left, r.result.LeftCount, r.result.StopError = s.left, s.leftCount, s.err
	if s.reached && s.reason != nil && !r.result.TimedOut && !r.result.Canceled {
		*s.reason = true
	}
}

// input returns the channel of a stream's next bytes, or nil if too much of the stream
// waits for out.
func (r *running) input(i int) <-chan []byte {
	if r.streaming && r.captures[i].pending() >= maxBacklog {
		return nil
	}
	return r.reads[i]
}

// handleRead keeps the bytes of a reader, or records the end of its stream.
func (r *running) handleRead(i int, p []byte, ok bool) {
	if !ok {
		r.reads[i] = nil
		return
	}
	c := &r.captures[i]
	c.write(p)
	if r.streaming && r.flush == nil && c.pending() > 0 {
		r.flush = time.After(coalesceDelay)
	}
}

// flushAll makes partial chunks due.
func (r *running) flushAll() {
	r.flush = nil
	r.streaming = true
	for i := range r.captures {
		r.captures[i].flush()
	}
}

// next returns the next chunk to emit and the channel for it, or nil. The streams
// alternate.
func (r *running) next() (chan<- Chunk, Chunk) {
	if !r.streaming {
		return nil, Chunk{}
	}
	for range r.captures {
		if c, ok := r.captures[r.nextStream].due(); ok {
			if r.emit == nil {
				r.startEmitter()
			}
			return r.emit, c
		}
		r.nextStream = 1 - r.nextStream
	}
	return nil, Chunk{}
}

// startEmitter starts the goroutine that calls out. Most commands are too short to
// need it.
func (r *running) startEmitter() {
	emit := make(chan Chunk)
	r.emit = emit
	r.helpers.Go(func() {
		for c := range emit {
			r.out(c)
		}
	})
}

func (r *running) emitted() {
	r.captures[r.nextStream].pop()
	r.nextStream = 1 - r.nextStream
}

// end counts the processes that the leader left, and only then reaps the leader: as
// long as it is a zombie, the system does not reuse its pid or the ids of its group
// and session.
func (r *running) end() {
	if r.ended == nil {
		r.abandon()
		return
	}
	r.result.EndedAt = r.ended.at
	ours := r.result.TimedOut || r.result.Canceled
	if r.ended.err == nil && !ours && (!r.spec.KillLeftovers || r.result.StopError != nil) {
		r.result.Left, r.result.LeftCount = r.leader.leftovers()
	}
	r.result.ExitCode, r.result.Signal, r.result.Err = r.leader.reap()
	r.closeStdin()
}

// closeStdin ends the writer of standard input.
func (r *running) closeStdin() {
	if r.stopInput != nil {
		r.stopInput()
	}
	r.pipes.closeStdin()
}

// abandon gives up on a leader that could not be ended.
func (r *running) abandon() {
	r.result.EndedAt = time.Now()
	r.result.Err = ErrStillRuns
	r.result.TimedOut, r.result.Canceled = false, false
	r.leader.close()
	if r.leader.canCancelWait() {
		<-r.exited
	} // otherwise the waiter's thread blocks until the process or this program ends
	r.closeStdin()
}

// drain reads the outputs until they end, or until drainTimeout and then what the
// pipes hold. Nothing is emitted any more, so no reader waits for out.
func (r *running) drain() {
	timeout := time.After(drainTimeout)
	for r.reads[0] != nil || r.reads[1] != nil {
		select {
		case p, ok := <-r.reads[0]:
			r.handleRead(0, p, ok)
		case p, ok := <-r.reads[1]:
			r.handleRead(1, p, ok)
		case <-timeout:
			r.pipes.unblockReads() // ends the readers
		}
	}
	r.result.HeldOpen = r.heldOpen[0] || r.heldOpen[1]
	r.pipes.closeReads()
}

// finish waits for all helpers and completes the Result.
func (r *running) finish() Result {
	if r.emit != nil {
		close(r.emit)
	}
	r.helpers.Wait()
	r.result.Stdout, r.result.Stderr = r.captures[0].account(), r.captures[1].account()
	r.result.Rest = append(r.captures[0].rest(), r.captures[1].rest()...)
	return r.result
}
