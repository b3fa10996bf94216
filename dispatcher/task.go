package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

const (
	// questionValid is how long a status, cancel or discover is valid: long
	// enough for a slow link, short enough to be of no use to who captured it.
	questionTTL = time.Minute

	// touchValid is that where a signature costs a touch: agents that are silent
	// for long must not have their operator touch the key again and again. Who
	// captures such a question can have its answer sent, or the job canceled,
	// once more.
	touchQuestionTTL = time.Hour

	// signPause is how long after a signature that was not to be had, as when
	// ssh-agent is gone, the next one is asked for; and signTouchPause that
	// where it costs a touch, so that nobody is asked in a loop.
	signRetryDelay  = 15 * time.Second
	touchRetryDelay = 5 * time.Minute
)

// errUnsigned: a statement cannot be signed now.
var errUnsigned = errors.New("the statement cannot be signed")

// A letter is a signed statement with its leaves: leaf i is for job i.
type signedStatement struct {
	batch    *wire.Batch
	issuedAt time.Time
	notAfter time.Time
}

// signed are the times that are known of a job which comes with the letter.
func (l *signedStatement) signed() model.Signed {
	return model.Signed{Issued: l.issuedAt, NotAfter: l.notAfter}
}

// A question names what a statement asks, and of jobs of which statement.
type question struct {
	typ, task string
	of        wire.Of
}

// questionOf is the question of that type about jobs of a task that come with a
// statement of those times.
func questionOf(typ, task string, s model.Signed) question {
	return question{typ, task, wire.Of{IssuedAt: s.Issued.UnixMilli(), NotAfter: s.NotAfter.UnixMilli()}}
}

// reusable reports whether a question still has the quarter of its time left
// that its way may take.
func (l *signedStatement) reusable(now time.Time) bool {
	return l.batch != nil && now.Before(l.issuedAt.Add(3*l.notAfter.Sub(l.issuedAt)/4))
}

// A task is one run under way: the state of its task goroutine, except for
// what is marked otherwise.
type task struct {
	d        *Dispatcher // fixed
	record   model.Task
	spec     model.Spec                // fixed
	jobs     []model.Job               // fixed
	progress []<-chan results.Progress // fixed; each read by its host goroutine
	adopted  bool                      // fixed; another process has sent it
	secret   bool                      // fixed; it had secrets to send with it
	release  func()                    // fixed; lets progress go at the end

	plan      plan
	run       signedStatement // newest
	resigned  bool            // run is not the letter whose digests were stored with the task
	questions map[question]signedStatement
	unsigned  map[string]time.Time // by type: no signature is asked for before
	told      bool                 // the operator knows that there is none
	wants     chan *want           // host goroutines → task goroutine

	cancel    chan struct{}  // closed by the dispatcher: the operator cancels
	halted    chan struct{}  // closed by the dispatcher: no further stage begins
	settled   chan struct{}  // closed by the task goroutine: the operator may leave
	unsettled sync.WaitGroup // jobs of which nothing is known yet; host goroutines count down
}

// A want is what a host goroutine asks the task goroutine for: a request, signed and
// built. A first one is built here as well, since what it takes in stack would be kept
// by each host goroutine until the end of its job.
type want struct {
	typ      string
	index    int
	signed   model.Signed // of a question: when the run was
	attempt  int
	inbox    bool
	verdicts chan<- broker.Verdict

	letter signedStatement // to be repeated, or none; then what the request was made of
	pub    *broker.Publication
	err    error
	done   chan struct{} // one slot
}

// drive runs the task goroutine: it starts host goroutines as the plan has it
// and signs what they need, until all have ended.
func (t *task) drive(ctx context.Context) error {
	defer t.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hosts, ctx := errgroup.WithContext(ctx)
	go func() { // ends with the host goroutines, which drive waits for
		t.unsettled.Wait()
		close(t.settled)
	}()
	err := t.follow(ctx, hosts)
	if err != nil {
		cancel()
		// Not for none: they may all have counted down, and the waiter may be on
		// its way.
		if never := len(t.jobs) - t.plan.begun; never > 0 && !t.plan.stopped {
			t.unsettled.Add(-never)
		}
	}
	return cmp.Or(hosts.Wait(), err)
}

// follow does what the plan says until it is done.
func (t *task) follow(ctx context.Context, hosts *errgroup.Group) error {
	ended := make(chan bool) // host goroutines → here: whether the command did well
	canceled, halted := (<-chan struct{})(t.cancel), (<-chan struct{})(nil)
	if t.record.Rollout != nil && !t.adopted {
		halted = t.halted
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		what, wait := t.plan.decide(time.Now())
		var err error
		switch what {
		case finish:
			return nil
		case beginJob:
			t.beginJob(ctx, hosts, ended)
		case beginStage:
			err = t.beginStage(ctx)
		case endStage:
			err = t.endStage(ctx)
		case stop:
			err = t.halt(ctx, t.plan.failuresReason())
		}
		if err != nil {
			return err
		}
		if what != await {
			continue
		}
		if t.plan.soaking { // another process may cancel the task meanwhile
			wait = min(wait, cancelPollInterval)
		}
		timer.Reset(wait)
		select {
		case ok := <-ended:
			t.plan.jobEnded(ok)
		case w := <-t.wants:
			t.fulfil(ctx, w)
			w.done <- struct{}{}
		case <-canceled:
			canceled = nil
			err = t.halt(ctx, canceledUnsent)
		case <-halted:
			halted = nil
			err = t.halt(ctx, "rollout stopped by its operator")
		case <-timer.C:
			if t.plan.soaking && t.canceledElsewhere(ctx) {
				err = t.halt(ctx, canceledUnsent)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// beginJob starts the next host's goroutine.
func (t *task) beginJob(ctx context.Context, hosts *errgroup.Group, ended chan<- bool) {
	h := t.host(t.plan.begun)
	t.plan.begun++
	hosts.Go(func() error {
		err := h.run(ctx)
		select {
		case ended <- h.ok:
		case <-ctx.Done():
		}
		return err
	})
}

func (t *task) host(i int) *host {
	h := &host{
		task: t, index: i, progress: t.progress[i], replies: t.d.replies,
		verdicts: make(chan broker.Verdict, 1), // one publication is in flight at a time
		want:     want{done: make(chan struct{}, 1)},
	}
	now, timeout := time.Now(), answerTimeout(t.record.Timeout)
	if t.adopted {
		h.delivery = adoptedDelivery(h.job(), h.job().Signed.NotAfter, now, timeout)
		h.delivery.secret = t.secret
	} else {
		h.delivery = newDelivery(now.Add(t.spec.StartTimeout), timeout)
		h.delivery.whenOnline = t.spec.WhenOnline
	}
	return h
}

// prepare asks the task goroutine for a request; called by host goroutines.
func (t *task) prepare(ctx context.Context, w *want) error {
	select {
	case t.wants <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fulfil signs and builds what is wanted.
func (t *task) fulfil(ctx context.Context, w *want) {
	if w.letter, w.err = t.sign(ctx, w); w.err == nil {
		t.build(w)
	}
}

// build makes the publication of a letter; called by host goroutines, too.
func (t *task) build(w *want) {
	job := &t.jobs[w.index]
	w.pub = t.d.request(w.typ, job, &w.letter, w.index)
	w.pub.Answer = w.verdicts
	w.pub.Msg.Headers[wire.HeaderAttempt] = int32(w.attempt)
	if w.inbox {
		toInbox(w.pub, job.Host)
	}
}

// sign gives the statement that is wanted, a new one where the old one's time
// is used up.
func (t *task) sign(ctx context.Context, w *want) (signedStatement, error) {
	now := time.Now()
	if w.typ != wire.TypeRun {
		return t.ask(ctx, questionOf(w.typ, t.record.ID, w.signed), now)
	}
	if !now.Before(t.run.issuedAt.Add(t.spec.StartTimeout / 2)) {
		l, err := t.signWithBackoff(w.typ, func() (signedStatement, error) { return t.d.signRun(ctx, t.record.ID, t.spec, t.jobs, now) })
		if err != nil {
			return l, err
		}
		t.run, t.resigned = l, true
	}
	if !t.resigned {
		return t.run, nil
	}
	digest := t.run.batch.Digest(w.index)
	// Known to the store before the request leaves, and so before its rejection.
	_, err := t.d.store.Apply(ctx, []results.Update{{Job: t.jobs[w.index].ID, Digest: digest[:], Signed: t.run.signed()}})
	return t.run, err
}

// ask gives a signed question, the last one as long as it may be used.
func (t *task) ask(ctx context.Context, q question, now time.Time) (signedStatement, error) {
	maps.DeleteFunc(t.questions, func(_ question, l signedStatement) bool { return !l.reusable(now) })
	if l, ok := t.questions[q]; ok {
		return l, nil
	}
	l, err := t.signWithBackoff(q.typ, func() (signedStatement, error) { return t.d.signQuestion(ctx, q, t.jobs, now) })
	if err == nil {
		t.questions[q] = l
	}
	return l, err
}

// anewly makes a letter, unless one could not be signed a moment ago. Its error
// is errUnsigned: the operator hears of the reason, and the jobs go on.
func (t *task) signWithBackoff(typ string, sign func() (signedStatement, error)) (signedStatement, error) {
	if time.Now().Before(t.unsigned[typ]) {
		return signedStatement{}, errUnsigned
	}
	l, err := sign()
	if err == nil {
		t.told = false
		return l, nil
	}
	pause := signRetryDelay
	if t.d.touch {
		pause = touchRetryDelay
	}
	t.unsigned[typ] = time.Now().Add(pause) // it may have taken a minute
	if !t.told {
		t.told = true
		t.d.notify(fmt.Errorf("task %s: a %s is not sent: %w", t.record.ID, typ, err))
	}
	return signedStatement{}, errUnsigned
}
