package dispatcher

import (
	"context"
	"errors"
	"time"

	"warren/dispatcher/delivery"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// host drives one job. Its goroutine owns it.
type host struct {
	task     *task
	index    int // of the job in the task
	delivery delivery.Delivery
	progress <-chan results.Progress // results → host
	verdicts chan broker.Verdict     // publisher → host; one slot, one publication in flight
	cancel   <-chan struct{}         // dispatcher → host; nil once taken
	replies  broker.Watch            // of the link with the reply queue
	attempt  int
	settled  bool
	ok       bool  // the command exited with code 0
	have     int64 // bytes of standard output in the store, from the beginning

	run      signedStatement // of the run, once signed; repeats use it unchanged
	inboxRun bool            // run is for the inbox
	offer    offer
}

// An offer is a request that is ready for the publisher. It holds a permit.
type offer struct {
	typ   string // empty: no offer
	inbox bool   // it goes to the host's inbox, not to its queue
	pub   *broker.Publication
}

// drive drives the job until it has an outcome. It returns early only when ctx ends.
func (h *host) drive(ctx context.Context) error {
	defer h.withdraw()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	h.watchReplies()
	for {
		h.pollCancel() // a canceled job sends nothing more but the cancel
		next := h.delivery.Decide(time.Now())
		switch {
		case next.Done:
			return h.settle(ctx)
		case next.Outcome != "":
			return h.storeVerdict(ctx, next)
		case next.RecordSent:
			h.delivery.SentRecorded = true
			if err := h.apply(ctx, results.Update{Job: h.job().ID, State: model.Sent}); err != nil {
				return err
			}
			continue
		}
		timer.Reset(next.Wait)
		if err := h.await(ctx, next, timer.C); err != nil {
			return err
		}
	}
}

// await tries to send what is next, and returns after one event.
func (h *host) await(ctx context.Context, next delivery.Step, timeout <-chan time.Time) error {
	permit, out := h.sending(next)
	select {
	case <-permit:
		return h.prepare(ctx, next)
	case out <- h.offer.pub:
		h.attempt++
		h.delivery.OnPublished(h.offer.typ, time.Now())
		h.withdraw()
	case p, open := <-h.progress:
		return h.heard(ctx, p, open)
	case v := <-h.verdicts:
		return h.verdict(ctx, v)
	case <-h.replies.State().Changed():
		h.watchReplies()
	case <-h.cancel: // closed: pollCancel sees it too
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// sending returns the channel for the next move of a request: the one that grants a
// permit to prepare it, or the publisher's. Both are nil while there is nothing to send or
// no reply queue. It withdraws an offer that is no longer wanted.
func (h *host) sending(next delivery.Step) (permit <-chan struct{}, out chan<- *broker.Publication) {
	if next.Send != h.offer.typ || next.Inbox != h.offer.inbox || h.replies.State().Phase == broker.Connecting {
		h.withdraw()
	}
	switch {
	case next.Send == "" || h.replies.State().Phase == broker.Connecting:
		return nil, nil
	case h.offer.typ != "":
		return nil, h.laneOf(h.offer.inbox).out
	case h.attempt > 0 && next.Send != wire.TypeCancel && !next.Inbox:
		return h.task.d.repeats, nil
	}
	return h.laneOf(next.Inbox).permits, nil
}

// laneOf returns the way of a request.
func (h *host) laneOf(inbox bool) *lane {
	if inbox {
		return &h.task.d.inboxes
	}
	return &h.task.d.hostQueues
}

// prepare makes the offer of a request, for which it has a permit.
func (h *host) prepare(ctx context.Context, next delivery.Step) error {
	h.offer = offer{typ: next.Send, inbox: next.Inbox}
	statement := h.run
	if next.Send != wire.TypeRun || statement.batch == nil || h.changesQueue(next) {
		var err error
		request := statementRequest{typ: next.Send, index: h.index, inbox: next.Inbox, signed: h.signed(), issuedFrom: h.delivery.IssuedFrom}
		switch statement, err = h.task.statement(ctx, request); {
		case errors.Is(err, errUnsigned):
			h.withdraw()
			h.delivery.OnSignFailed(time.Now())
			return nil
		case errors.Is(err, errCanceledElsewhere):
			h.withdraw()
			h.delivery.OnCancel(time.Now())
			return nil
		case err != nil:
			return err
		}
	}
	if next.Send == wire.TypeRun {
		h.run, h.inboxRun, h.delivery.NotAfter = statement, next.Inbox, statement.notAfter
	}
	job := *h.job()
	job.Stdout.Begin = max(job.Stdout.Begin, h.have)
	pub := h.task.d.request(next.Send, &job, &statement)
	pub.Answer = h.verdicts
	pub.Msg.Headers[wire.HeaderAttempt] = int32(h.attempt + 1)
	if next.Inbox {
		toInbox(pub, job.Host)
	}
	h.offer.pub = pub
	return nil
}

// changesQueue reports whether a run that was for the host's queue goes to the inbox now, or the
// reverse, and needs a statement with another validity. That is allowed only if no agent can
// have the earlier request: the same agent never runs a job twice, but an agent that has the
// name later could run it again.
func (h *host) changesQueue(next delivery.Step) bool {
	return h.task.longInbox() && next.Inbox != h.inboxRun && h.delivery.PossibleArrivals == 0
}

// withdraw drops the offer and returns its permit.
func (h *host) withdraw() {
	if h.offer.typ != "" {
		h.laneOf(h.offer.inbox).permits <- struct{}{} // has room: each permit came from there
		h.offer = offer{}
	}
}

// pollCancel passes the operator's cancel to the delivery, once.
func (h *host) pollCancel() {
	select {
	case <-h.cancel:
		h.cancel = nil
		h.delivery.OnCancel(time.Now())
	default:
	}
}

// signed returns the times of the statement that brought the job to its agent.
func (h *host) signed() model.Signed {
	if h.run.batch != nil {
		return h.run.signed()
	}
	return h.job().Signed
}

func (h *host) job() *model.Job { return &h.task.jobs[h.index] }

// verdict takes the broker's answer to the publication in flight.
func (h *host) verdict(ctx context.Context, v broker.Verdict) error {
	c := &h.delivery
	before := c.WaitReason()
	if v.Kind == broker.Refused {
		c.OnRefused(refusalReason(v.Reason), time.Now())
		return nil
	}
	c.OnVerdict(v.Kind, time.Now())
	if wait := c.WaitReason(); wait != before {
		c.SentRecorded = true
		if err := h.apply(ctx, results.Update{Job: h.job().ID, State: model.Sent, Wait: wait}); err != nil {
			return err
		}
	}
	if c.RunInInbox || c.Adopted && v.Kind == broker.Returned {
		return h.settle(ctx)
	}
	return nil
}

// heard takes what the store reports of the job. The store closes the channel after the
// outcome.
func (h *host) heard(ctx context.Context, p results.Progress, open bool) error {
	if !open {
		h.delivery.Done = true
		return nil
	}
	h.ok, h.have = p.OK, p.Have
	before := h.delivery.IssuedFrom
	h.delivery.OnProgress(p, time.Now())
	if h.delivery.IssuedFrom != before {
		return h.postpone(ctx)
	}
	if h.delivery.Adopted || p.State == model.Accepted || p.State == model.Running {
		return h.settle(ctx)
	}
	return nil
}

// postpone drops the statement that is too old for the agent, and records when the job is
// sent with a new one.
func (h *host) postpone(ctx context.Context) error {
	h.run, h.attempt = signedStatement{}, 0
	return h.apply(ctx, results.Update{Job: h.job().ID, State: model.Sent, Wait: model.WaitNewAgent, Reason: "begins at " + h.delivery.Next.Local().Format(time.TimeOnly)})
}

// settle reports, once, that the operator's process need not wait for this job.
func (h *host) settle(ctx context.Context) error {
	if h.settled {
		return nil
	}
	h.settled = true
	return h.task.d.settle(ctx, h.task, 1)
}

// watchReplies follows the reply queue to its newest state. When the queue comes up
// again, or for the first time after a failure, replies may have been lost and agents may
// still be reconnecting.
func (h *host) watchReplies() {
	for {
		switch c, changed := h.replies.Next(); {
		case !changed:
			return
		case c.Up:
			h.delivery.OnReplyQueueUp(c.Since, time.Now(), c.Again)
		default:
			h.delivery.OnReplyQueueDown(time.Now())
		}
	}
}

// storeVerdict stores an outcome that the operator assigns. If the store already has the
// agent's outcome, that one stays.
func (h *host) storeVerdict(ctx context.Context, s delivery.Step) error {
	if err := h.apply(ctx, results.Update{Job: h.job().ID, Outcome: s.Outcome, Reason: s.Reason}); err != nil {
		return err
	}
	select {
	case p, open := <-h.progress:
		h.ok = open && p.OK
	default:
	}
	return h.settle(ctx)
}

func (h *host) apply(ctx context.Context, u results.Update) error {
	return h.task.d.apply(ctx, []results.Update{u})
}
