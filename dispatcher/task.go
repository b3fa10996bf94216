package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/dispatcher/delivery"
	"warren/dispatcher/plan"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// touchRetryDelay is the wait after a failed signature where a signature costs a touch, so that
// the operator is not asked in a loop.
const touchRetryDelay = 5 * time.Minute

// errUnsigned: a statement cannot be signed now.
var errUnsigned = errors.New("the statement cannot be signed")

// errCanceledElsewhere: another process has canceled the task while a job was postponed.
var errCanceledElsewhere = errors.New("another process has canceled the task")

// A task is one run under way. Its goroutine owns it, except for the fields that are
// marked otherwise.
type task struct {
	d        *Dispatcher // fixed
	record   model.Task
	spec     model.Spec                // fixed
	all      []model.Job               // fixed; of the task: their indices are the leaves of its statements
	jobs     []model.Job               // fixed; those that this process drives
	progress []<-chan results.Progress // fixed; each read by its host goroutine
	adopted  bool                      // fixed; another process has sent it, and no further job begins
	resumed  int                       // fixed; number of jobs, from the first, that may have been sent before it was resumed
	secret   bool                      // fixed; and had secrets to send with it
	release  func()                    // fixed; closes progress at the end

	plan           plan.Plan
	run            signedStatement      // the newest
	inboxRun       signedStatement      // the newest for inboxes, if it differs from run
	resigned       bool                 // run is not the statement that the store got with the task
	signRetry      map[string]time.Time // by type: no signature is asked for before
	failureNoticed bool                 // the operator has a notice that signing fails

	ok           []bool        // by job: it has ended with exit code 0
	endedBefore  int           // fixed; jobs that had ended before it was resumed
	verification *verification // under way; nil: none

	statements chan statementRequest // host goroutines → here
	ended      chan jobEnd           // host goroutines → here
	canceled   <-chan struct{}       // cancel, until it is taken
	stopped    <-chan struct{}       // halted, until it is taken; nil without stages

	cancel  chan struct{} // closed by the dispatcher: the operator cancels
	halted  chan struct{} // closed by the dispatcher: no further stage begins
	settled chan struct{} // closed by the dispatcher: see Settled
}

// A jobEnd reports that a job of a task has an outcome.
type jobEnd struct {
	index int
	ok    bool // the command succeeded
}

// A statementRequest asks the task goroutine for a signed statement.
type statementRequest struct {
	typ        string
	index      int                    // of the job
	inbox      bool                   // of a run: it goes to the host's inbox
	signed     model.Signed           // of a question: when the run was
	issuedFrom time.Time              // of a run: the agent refuses older statements
	answer     chan<- statementAnswer // one slot
}

type statementAnswer struct {
	statement signedStatement
	err       error
}

// drive runs the task goroutine: it starts host goroutines as the plan has it and signs
// what they need, until all have ended.
func (t *task) drive(ctx context.Context) error {
	defer t.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hosts, ctx := errgroup.WithContext(ctx)
	err := t.follow(ctx, hosts)
	if err != nil {
		cancel()
	}
	return cmp.Or(hosts.Wait(), err)
}

// follow does what the plan says until the plan is finished.
func (t *task) follow(ctx context.Context, hosts *errgroup.Group) (err error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer func() { t.verification.end() }()
	interval := controlPollInterval
	if t.adopted {
		interval = adoptedPollInterval
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()
	t.driveSent(ctx, hosts)
	for finished := false; !finished && err == nil; {
		next, wait := t.plan.Decide(time.Now())
		switch next {
		case plan.Finish:
			finished = true
		case plan.Await:
			timer.Reset(wait)
			err = t.await(ctx, timer.C, poll.C)
		case plan.BeginJob:
			t.beginJob(ctx, hosts)
		case plan.BeginStage:
			err = t.beginStage(ctx)
		case plan.EndStage:
			err = t.endStage(ctx)
		case plan.Verify:
			err = t.verify(ctx)
		case plan.Stop:
			err = t.fail(ctx, t.plan.FailuresReason())
		}
	}
	return err
}

// await handles one event.
func (t *task) await(ctx context.Context, timeout, poll <-chan time.Time) error {
	select {
	case e := <-t.ended:
		t.ok[e.index] = e.ok
		t.plan.JobEnded(e.ok)
	case sum, open := <-t.verification.progress():
		return t.verifyProgress(ctx, sum, open)
	case r := <-t.statements:
		s, err := t.sign(ctx, r)
		r.answer <- statementAnswer{s, err}
	case <-t.canceled:
		t.canceled = nil
		return t.halt(ctx, rolloutCanceled)
	case <-t.stopped:
		t.stopped = nil
		return t.halt(ctx, "rollout stopped by its operator")
	case <-poll:
		return t.obeyOthers(ctx)
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// beginJob starts the next host's goroutine.
func (t *task) beginJob(ctx context.Context, hosts *errgroup.Group) {
	t.driveJob(ctx, hosts, t.plan.Begun)
	t.plan.Begun++
}

// driveSent starts the goroutines of the jobs that were sent before the task was resumed, and
// have not ended.
func (t *task) driveSent(ctx context.Context, hosts *errgroup.Group) {
	for i := range t.resumed {
		if t.progress[i] != nil {
			t.driveJob(ctx, hosts, i)
		}
	}
}

func (t *task) driveJob(ctx context.Context, hosts *errgroup.Group, i int) {
	h := t.host(i)
	hosts.Go(func() error {
		err := h.drive(ctx)
		select {
		case t.ended <- jobEnd{i, h.ok}:
		case <-ctx.Done():
		}
		return err
	})
}

func (t *task) host(i int) *host {
	h := &host{
		task: t, index: i, progress: t.progress[i], replies: t.d.replies.Watch(), cancel: t.cancel,
		verdicts: make(chan broker.Verdict, 1), // one publication is in flight at a time
	}
	now, timeout := time.Now(), delivery.AnswerTimeout(t.record.Timeout)
	if t.adopted || i < t.resumed {
		h.delivery = delivery.NewAdopted(h.job(), h.job().Signed.NotAfter, now, timeout)
		h.delivery.Secret = t.secret
	} else {
		h.delivery = delivery.New(now.Add(t.spec.StartTimeout), timeout)
		h.delivery.WhenOnline = t.spec.WhenOnline
		if t.longInbox() {
			h.delivery.InboxUntil = h.delivery.NotAfter
		}
	}
	return h
}

// statement asks the task goroutine for a statement. Host goroutines call it.
func (t *task) statement(ctx context.Context, r statementRequest) (signedStatement, error) {
	answer := make(chan statementAnswer, 1)
	r.answer = answer
	select {
	case t.statements <- r:
	case <-ctx.Done():
		return signedStatement{}, ctx.Err()
	}
	select {
	case a := <-answer:
		return a.statement, a.err
	case <-ctx.Done():
		return signedStatement{}, ctx.Err()
	}
}

// sign returns the requested statement. It signs a new one when the last one is too old.
func (t *task) sign(ctx context.Context, r statementRequest) (signedStatement, error) {
	if r.typ != wire.TypeRun {
		return t.signWithBackoff(r.typ, func() (signedStatement, error) {
			return t.d.cachedQuestion(ctx, questionOf(r.typ, t.record.ID, r.signed), t.all)
		})
	}
	if !r.issuedFrom.IsZero() && t.canceledElsewhere(ctx) {
		return signedStatement{}, errCanceledElsewhere
	}
	now := time.Now()
	if r.issuedFrom.After(now) {
		now = r.issuedFrom
	}
	run, valid := &t.run, onlineTimeout(&t.spec)
	if r.inbox && t.longInbox() {
		run, valid = &t.inboxRun, t.spec.StartTimeout
	}
	if run.issuedAt.Before(r.issuedFrom) || !now.Before(run.issuedAt.Add(valid/2)) {
		s, err := t.signWithBackoff(r.typ, func() (signedStatement, error) {
			return t.d.signer.run(ctx, t.record.ID, t.spec, t.jobs, now, valid)
		})
		if err != nil {
			return s, err
		}
		*run, t.resigned = s, t.resigned || run == &t.run
	}
	if run == &t.run && !t.resigned {
		return *run, nil
	}
	digest := run.batch.Digest(r.index)
	// Known to the store before the request leaves, and so before its rejection.
	_, err := t.d.store.Apply(ctx, []results.Update{{Job: t.jobs[r.index].ID, Digest: digest[:], Signed: run.signed()}})
	return *run, err
}

// longInbox reports whether requests in inboxes are valid for longer than those for hosts that
// are online.
func (t *task) longInbox() bool { return onlineTimeout(&t.spec) < t.spec.StartTimeout }

// signWithBackoff signs a statement, unless that has failed a moment ago. Its error is
// errUnsigned: the operator gets a notice with the reason, and the jobs go on.
func (t *task) signWithBackoff(typ string, sign func() (signedStatement, error)) (signedStatement, error) {
	if time.Now().Before(t.signRetry[typ]) {
		return signedStatement{}, errUnsigned
	}
	s, err := sign()
	if err == nil {
		t.failureNoticed = false
		return s, nil
	}
	delay := delivery.SignRetryDelay
	if t.d.signer.touch {
		delay = touchRetryDelay
	}
	t.signRetry[typ] = time.Now().Add(delay) // signing may have taken a minute
	if !t.failureNoticed {
		t.failureNoticed = true
		t.d.notify(fmt.Errorf("task %s: a %s is not sent: %w", t.record.ID, typ, err))
	}
	return signedStatement{}, errUnsigned
}
