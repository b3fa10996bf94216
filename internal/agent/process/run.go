package process

import (
	"context"
	"errors"
	"sync"
	"time"

	"warren/internal/agent/process/proctree"
)

const (
	// identifyAfter is how long a command runs before it is asked who its process is:
	// most end sooner, and then it was work for nobody.
	identifyAfter = 10 * time.Millisecond
	// quickFor is how long output is only collected: a command that ends
	// within it is answered in one piece.
	quickFor = 100 * time.Millisecond
	// coalesceFor is how long less than a whole chunk waits for more.
	coalesceFor = 100 * time.Millisecond
	// backlog is how many bytes of a stream may wait for out before its pipe
	// is left unread. It spans a few chunks, so that the command goes on while
	// one of them is being taken.
	backlog = 8 * ChunkSize
	// lingerFor is how long the end of the outputs is awaited after the command
	// has ended: a process that it left behind can keep one open. What is in the
	// pipes by then is read all the same, however long that takes.
	lingerFor = 500 * time.Millisecond
)

// Run starts the command and returns when the command has ended and its outputs
// are closed or given up. The command has ended when its leader has exited by
// itself, or when everything that it started has been ended because its time was up or
// ctx ended.
//
// Once the command has run for 10 ms Run calls started with its leader; nothing else
// is served meanwhile, so that must be quick. For a command that ends sooner it calls
// nothing.
//
// The chunks of the first half of what is kept go to out while the command runs,
// from one goroutine and never before the command has run for 100 ms; all the rest
// is in the Result. out may block: then the command will, once its pipe is full, but
// it is still ended at its time. Run returns only after out has, so out must return
// when ctx ends. Either function may be nil.
func Run(ctx context.Context, spec Spec, started func(proctree.Identity), out func(Chunk)) Result {
	if ctx.Err() != nil {
		return Result{Canceled: true, ExitCode: -1}
	}
	l, p, err := launch(ctx, spec)
	if errors.Is(err, ctx.Err()) && err != nil {
		return Result{Canceled: true, ExitCode: -1}
	}
	if err != nil {
		return Result{Err: err, ExitCode: -1}
	}
	r := newRunning(l, p, spec, out)
	r.supervise(ctx, alarm(spec.Timeout), started)
	r.end()
	r.drain()
	return r.finish()
}

// alarm fires after d; where d is 0, never.
func alarm(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// running is a command between its start and its Result. Only Run's goroutine
// touches it.
type running struct {
	leader *leader
	spec   Spec
	pipes  *pipes
	helper sync.WaitGroup // readers, feeder, emitter, stopper; the waiter is joined by exited

	exited  <-chan exit    // waiter → running, once
	ended   *exit          // what it has sent
	stopped <-chan stopped // stopper → running, once a stop; nil while there is none
	leaving bool           // Spec.Leave is closed

	reads [2]<-chan []byte // reader → running; closed, then nil, at the end of the stream
	open  [2]bool          // reader, before it closes reads: somebody may still write
	emit  chan Chunk       // running → emitter; nil until there is something to emit

	out      func(Chunk)
	captures [2]capture
	turn     int              // the capture to emit from next
	flush    <-chan time.Time // nil while no short chunk waits
	stream   bool             // quickFor is over

	result Result
}

// exit is the end of the leader; err, that it was not seen by us.
type exit struct {
	at  time.Time
	err error
}

// stopped is what came of a request to end the command.
type stopped struct {
	reason    *bool // in the Result, to be set where the request has ended the leader
	reached   bool  // a signal of ours reached the leader while it was alive
	killed    int
	left      []proctree.Process
	leftCount int
	err       error // why not everything has ended
}

func newRunning(l *leader, p *pipes, spec Spec, out func(Chunk)) *running {
	r := &running{
		leader:   l,
		spec:     spec,
		pipes:    p,
		out:      out,
		captures: [2]capture{newCapture(Stdout, spec.MaxOutput), newCapture(Stderr, spec.MaxOutput)},
		result:   Result{Started: true, ExitCode: -1, StartedAt: time.Now()},
	}
	if out != nil {
		r.flush = time.After(quickFor)
	}
	exited := make(chan exit, 1) // 1: the waiter never waits for us
	r.exited = exited
	go func() {
		err := l.wait()
		exited <- exit{time.Now(), err}
	}()
	for i, f := range p.read {
		blocks := make(chan []byte)
		r.reads[i] = blocks
		r.helper.Go(func() {
			defer close(blocks)
			r.open[i] = readBlocks(f, blocks)
		})
	}
	if p.stdin != nil {
		r.helper.Go(func() { feed(p.stdin, spec.Stdin) })
	}
	return r
}

// supervise serves the command until its leader has exited and no request to end
// it is under way, or until the caller leaves and the leader cannot be ended.
func (r *running) supervise(ctx context.Context, expired <-chan time.Time, started func(proctree.Identity)) {
	canceled, leave := ctx.Done(), r.spec.Leave
	var identify <-chan time.Time
	if started != nil {
		identify = time.After(identifyAfter)
	}
	for !r.over() {
		emit, chunk := r.due()
		if r.stopped != nil || r.ended != nil {
			expired = nil
		}
		select {
		case e := <-r.exited:
			r.exit(e)
			canceled, identify = nil, nil
		case <-identify:
			identify = nil
			if len(r.exited) > 0 { // both have come while nobody looked
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
			r.took(s)
		case p, ok := <-r.source(0):
			r.read(0, p, ok)
		case p, ok := <-r.source(1):
			r.read(1, p, ok)
		case <-r.flush:
			r.flushed()
		case emit <- chunk:
			r.emitted()
		}
	}
}

// over reports whether there is nothing left to wait for.
func (r *running) over() bool {
	return r.stopped == nil && (r.ended != nil || r.leaving && !r.leader.exited())
}

// exit notes the end of the leader. What it leaves behind is ended too where the
// Spec says so, unless it is being ended already.
func (r *running) exit(e exit) {
	r.exited, r.ended = nil, &e
	if e.err == nil && r.stopped == nil && r.spec.KillLeftovers {
		if r.result.Left, r.result.LeftCount = r.leader.leftovers(); r.result.LeftCount > 0 {
			r.endTree(nil)
		}
	}
}

// stop asks everything that the command has started to end, unless that goes on
// already. A leader that has exited by now did so by itself: its status stands,
// and the waiter is about to report it.
func (r *running) stop(reason *bool) {
	if r.stopped == nil && r.ended == nil && !r.leader.exited() {
		r.endTree(reason)
	}
}

// endTree starts the goroutine that ends what the command has started.
func (r *running) endTree(reason *bool) {
	answer := make(chan stopped, 1) // 1: the stopper never waits for us
	r.stopped = answer
	r.helper.Go(func() {
		s := r.leader.stop(r.spec.Grace)
		s.reason = reason
		answer <- s
	})
}

// took notes what came of a request to end the command. Where the leader could
// not be ended, Run goes on: it may end by itself, or another request may work.
func (r *running) took(s stopped) {
	r.stopped = nil
	r.result.Killed += s.killed
	r.result.Left, r.result.LeftCount, r.result.StopError = s.left, s.leftCount, s.err
	if s.reached && s.reason != nil && !r.result.TimedOut && !r.result.Canceled {
		*s.reason = true
	}
}

// source is where a stream's next bytes come from: nowhere while more of them
// wait for out than may.
func (r *running) source(i int) <-chan []byte {
	if r.stream && r.captures[i].pending() >= backlog {
		return nil
	}
	return r.reads[i]
}

// read keeps what a reader sent, or notes that it has ended.
func (r *running) read(i int, p []byte, ok bool) {
	if !ok {
		r.reads[i] = nil
		return
	}
	c := &r.captures[i]
	c.write(p)
	if r.stream && r.flush == nil && c.pending() > 0 {
		r.flush = time.After(coalesceFor)
	}
}

// flushed ends the wait for more: what is there goes out in short chunks too.
func (r *running) flushed() {
	r.flush = nil
	r.stream = true
	for i := range r.captures {
		r.captures[i].flush()
	}
}

// due is the next chunk to emit and the channel that takes it, which is nil
// where there is none. The streams take turns.
func (r *running) due() (chan<- Chunk, Chunk) {
	if !r.stream {
		return nil, Chunk{}
	}
	for range r.captures {
		if c, ok := r.captures[r.turn].due(); ok {
			if r.emit == nil {
				r.startEmitter()
			}
			return r.emit, c
		}
		r.turn = 1 - r.turn
	}
	return nil, Chunk{}
}

// startEmitter begins the goroutine that calls out. Most commands are too quick
// to need it.
func (r *running) startEmitter() {
	emit := make(chan Chunk)
	r.emit = emit
	r.helper.Go(func() {
		for c := range emit {
			r.out(c)
		}
	})
}

func (r *running) emitted() {
	r.captures[r.turn].pop()
	r.turn = 1 - r.turn
}

// end counts what the leader left behind, and only then reaps the leader: as long
// as it is a zombie, neither its pid nor the ids of its group and session can
// belong to anybody else.
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
	r.pipes.closeStdin()
}

// abandon gives up a leader that could not be ended.
func (r *running) abandon() {
	r.result.EndedAt = time.Now()
	r.result.Err = ErrStillRuns
	r.result.TimedOut, r.result.Canceled = false, false
	r.leader.close()
	if r.leader.cancelable() {
		<-r.exited
	} // else its thread waits until the process or this program ends
	r.pipes.closeStdin()
}

// drain reads the outputs to their end, or as long as may be, and then what is
// there. Nothing is emitted any more, so no reader waits for out.
func (r *running) drain() {
	linger := time.After(lingerFor)
	for r.reads[0] != nil || r.reads[1] != nil {
		select {
		case p, ok := <-r.reads[0]:
			r.read(0, p, ok)
		case p, ok := <-r.reads[1]:
			r.read(1, p, ok)
		case <-linger:
			r.pipes.hurryReads() // which ends the readers
		}
	}
	r.result.HeldOpen = r.open[0] || r.open[1]
	r.pipes.closeReads()
}

// finish waits for every helper and closes the account.
func (r *running) finish() Result {
	if r.emit != nil {
		close(r.emit)
	}
	r.helper.Wait()
	r.result.Stdout, r.result.Stderr = r.captures[0].account(), r.captures[1].account()
	r.result.Rest = append(r.captures[0].rest(), r.captures[1].rest()...)
	return r.result
}
