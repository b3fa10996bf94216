package dispatcher

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/results"
	"warren/internal/wire"
)

const (
	// questionValid is how long a status, cancel or discover is valid: long
	// enough for a slow link, short enough to be of no use to who captured it.
	questionValid = time.Minute

	// questionReuse is the part of that time in which the same signature serves
	// all hosts of a task.
	questionReuse = 45 * time.Second
)

// A letter is a signed statement with its leaves: leaf i is for job i.
type letter struct {
	batch    *wire.Batch
	issuedAt time.Time
	notAfter time.Time
}

// A task is one run under way: the state of its task goroutine, except for
// what is marked otherwise.
type task struct {
	d        *Dispatcher // fixed
	record   results.Task
	spec     results.Spec              // fixed
	jobs     []results.Job             // fixed
	progress []<-chan results.Progress // fixed; each read by its host goroutine
	resumed  bool                      // fixed; another process has sent it
	release  func()                    // fixed; lets progress go at the end

	run       letter // newest
	anew      bool   // run is not the letter whose digests were stored with the task
	questions map[string]letter
	wants     chan want // host goroutines → task goroutine

	cancel    chan struct{}  // closed by the dispatcher: the operator cancels
	settled   chan struct{}  // closed by the task goroutine: the operator may leave
	unsettled sync.WaitGroup // jobs of which nothing is known yet; host goroutines count down
}

// A want is a host goroutine's question for a signed statement.
type want struct {
	typ    string
	index  int
	answer chan<- got // one slot
}

type got struct {
	letter
	err error
}

// drive runs the task goroutine: it starts host goroutines as the window lets it
// and signs what they need, until all have ended.
func (t *task) drive(ctx context.Context) error {
	defer t.release()
	hosts, ctx := errgroup.WithContext(ctx)
	go func() { // ends with the host goroutines, which drive waits for
		t.unsettled.Wait()
		close(t.settled)
	}()
	window := len(t.jobs)
	if t.spec.Fanout > 0 {
		window = min(window, t.spec.Fanout)
	}
	ended := make(chan struct{})
	next, left := 0, len(t.jobs)
	for left > 0 {
		for ; next < len(t.jobs) && next-(len(t.jobs)-left) < window; next++ {
			h := t.host(next)
			hosts.Go(func() error {
				err := h.run(ctx)
				select {
				case ended <- struct{}{}:
				case <-ctx.Done():
				}
				return err
			})
		}
		select {
		case <-ended:
			left--
		case w := <-t.wants:
			l, err := t.sign(ctx, w)
			w.answer <- got{l, err}
		case <-ctx.Done():
			for ; next < len(t.jobs); next++ {
				t.unsettled.Done()
			}
			return hosts.Wait()
		}
	}
	return hosts.Wait()
}

func (t *task) host(i int) *host {
	h := &host{
		task: t, index: i, progress: t.progress[i], replies: t.d.replies,
		verdicts: make(chan broker.Verdict, 1), // one publication is in flight at a time
	}
	now, timeout := time.Now(), t.record.Timeout+killGrace
	if t.resumed {
		h.course = resumedCourse(h.job(), t.record.NotAfter, now, timeout)
	} else {
		h.course = newCourse(now.Add(t.spec.Expires), timeout)
		h.course.whenOnline = t.spec.WhenOnline
	}
	return h
}

// signed asks the task goroutine for a statement; called by host goroutines.
func (t *task) signed(ctx context.Context, typ string, index int) (letter, error) {
	answer := make(chan got, 1)
	select {
	case t.wants <- want{typ, index, answer}:
	case <-ctx.Done():
		return letter{}, ctx.Err()
	}
	select {
	case g := <-answer:
		return g.letter, g.err
	case <-ctx.Done():
		return letter{}, ctx.Err()
	}
}

// sign gives the statement that is wanted, a new one where the old one's time
// is used up.
func (t *task) sign(ctx context.Context, w want) (letter, error) {
	now := time.Now()
	if w.typ != wire.TypeRun {
		l, ok := t.questions[w.typ]
		if ok && now.Before(l.issuedAt.Add(questionReuse)) {
			return l, nil
		}
		l, err := t.d.question(w.typ, &t.record, t.jobs, now)
		t.questions[w.typ] = l
		return l, err
	}
	if !now.Before(t.run.issuedAt.Add(t.spec.Expires / 2)) {
		l, err := t.d.runLetter(t.record.ID, t.spec, t.jobs, now)
		if err != nil {
			return l, err
		}
		t.run, t.anew = l, true
	}
	if !t.anew {
		return t.run, nil
	}
	digest := t.run.batch.Digest(w.index)
	// Known to the store before the request leaves, and so before its rejection.
	_, err := t.d.store.Apply(ctx, []results.Update{{Job: t.jobs[w.index].ID, Digest: digest[:]}})
	return t.run, err
}
