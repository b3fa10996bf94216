package dispatcher

import (
	"context"
	"errors"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// host drives one job. It is one goroutine's state.
type host struct {
	task     *task
	index    int // of the job in the task
	delivery delivery
	progress <-chan results.Progress // results → host
	verdicts chan broker.Verdict     // publisher → host; one slot, one publication in flight
	replies  *broker.State           // of the callback queue, from its first state on
	up       bool
	failed   bool // the broker was not there
	ups      int  // how often it has come up
	attempt  int
	paced    bool // it is this job's turn to repeat
	settled  bool
	ok       bool // its outcome is exit code 0

	sent       signedStatement // the run, once prepared: repeated as it was
	offer      string          // type of the request in pub, which holds a ticket; "" none
	offerInbox bool            // it is for the inbox
	pub        *broker.Publication
	want       want // the task goroutine's, from signed to its answer
}

// run sees the job to its outcome. It returns early only when ctx ends.
func (h *host) run(ctx context.Context) error {
	defer h.settle()
	defer h.withdraw()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	cancel := h.task.cancel
	h.watchReplies()
	for {
		select { // before anything is sent
		case <-cancel:
			cancel = nil
			h.delivery.onCancel(time.Now())
		default:
		}
		step := h.delivery.decide(time.Now())
		switch {
		case step.done:
			return nil
		case step.outcome != "":
			return h.storeVerdict(ctx, step)
		case step.recordSent:
			h.delivery.sentRecorded = true
			if err := h.apply(ctx, results.Update{Job: h.job().ID, State: model.Sent}); err != nil {
				return err
			}
			continue
		}
		if step.send != h.offer || step.inbox != h.offerInbox || h.replies.Phase == broker.Connecting {
			h.withdraw()
		}
		var pace <-chan struct{}
		var ticket chan<- struct{}
		var out chan<- *broker.Publication
		switch {
		case step.send == "" || h.replies.Phase == broker.Connecting:
		case h.offer != "":
			out = h.task.d.out
		case h.attempt > 0 && !h.paced && step.send != wire.TypeCancel:
			pace = h.task.d.pace
		default:
			ticket = h.task.d.tickets
		}
		timer.Reset(step.wait)
		select {
		case <-pace:
			h.paced = true
		case ticket <- struct{}{}:
			h.offer, h.offerInbox = step.send, step.inbox
			if err := h.prepare(ctx, step.send); err != nil {
				return err
			}
		case out <- h.pub:
			h.attempt++
			h.paced = false
			h.delivery.onPublished(h.offer, time.Now())
			h.withdraw()
		case p, ok := <-h.progress:
			if !ok {
				return nil
			}
			h.heard(p)
		case v := <-h.verdicts:
			if err := h.verdict(ctx, v); err != nil {
				return err
			}
		case <-h.replies.Changed():
			h.watchReplies()
		case <-cancel: // taken up above
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prepare has the request built that is to be offered to the publisher. The ticket
// that has just been taken bounds how many requests are built and not yet
// published, since each may hold a whole script.
func (h *host) prepare(ctx context.Context, typ string) error {
	w := &h.want
	w.typ, w.index, w.signed, w.attempt, w.inbox, w.verdicts = typ, h.index, h.signed(), h.attempt+1, h.offerInbox, h.verdicts
	w.letter = signedStatement{}
	if typ == wire.TypeRun {
		w.letter = h.sent
	}
	if w.letter.batch != nil {
		h.task.build(w) // not in turn: who signs may wait for a touch, and cancels with him
	} else if err := h.task.prepare(ctx, w); err != nil {
		return err
	}
	if errors.Is(w.err, errUnsigned) {
		h.withdraw()
		h.delivery.onSignFailed(time.Now())
		return nil
	}
	if w.err != nil {
		return w.err
	}
	if typ == wire.TypeRun {
		h.sent, h.delivery.notAfter = w.letter, w.letter.notAfter
	}
	h.pub, w.pub = w.pub, nil
	return nil
}

// withdraw gives the ticket back.
func (h *host) withdraw() {
	if h.offer != "" {
		h.offer, h.offerInbox, h.pub = "", false, nil
		<-h.task.d.tickets
	}
}

// signed are the times of the statement that the job came with, as far as it has
// been sent.
func (h *host) signed() model.Signed {
	if h.sent.batch != nil {
		return h.sent.signed()
	}
	return h.job().Signed
}

func (h *host) job() *model.Job { return &h.task.jobs[h.index] }

// verdict takes the broker's word on the publication in flight.
func (h *host) verdict(ctx context.Context, v broker.Verdict) error {
	c := &h.delivery
	was := c.waitReason()
	if v.Kind == broker.Refused {
		c.onRefused(refusalReason(v.Reason), time.Now())
		return nil
	}
	c.onVerdict(v.Kind, time.Now())
	if place := c.waitReason(); place != was {
		c.sentRecorded = true
		if err := h.apply(ctx, results.Update{Job: h.job().ID, State: model.Sent, Wait: place}); err != nil {
			return err
		}
	}
	if c.runInInbox || c.adopted && v.Kind == broker.Returned {
		h.settle()
	}
	return nil
}

// heard takes what the agent has said.
func (h *host) heard(p results.Progress) {
	h.ok = p.OK
	h.delivery.onProgress(p, time.Now())
	if h.delivery.adopted || p.State == model.Accepted || p.State == model.Running {
		h.settle()
	}
}

// settle says, once, that the operator may leave as far as this job goes.
func (h *host) settle() {
	if !h.settled {
		h.settled = true
		h.task.unsettled.Done()
	}
}

// watchReplies goes to the newest state of the callback queue. Coming up again,
// as opposed to the first time, means that answers may have been missed; and
// coming up after a failure, that agents may be on their way back too.
func (h *host) watchReplies() {
	for {
		h.failed = h.failed || h.replies.Err != nil
		if h.replies.Phase == broker.Up && !h.up {
			h.up = true
			h.ups++
			if h.ups > 1 || h.failed {
				h.delivery.onReplyQueueUp(h.replies.Since, time.Now())
			}
		}
		h.up = h.replies.Phase != broker.Connecting
		select {
		case <-h.replies.Changed():
			h.replies = h.replies.Next()
		default:
			return
		}
	}
}

// verdictGiven stores the operator's own verdict, unless the agent's came first.
func (h *host) storeVerdict(ctx context.Context, s step) error {
	if err := h.apply(ctx, results.Update{Job: h.job().ID, Outcome: s.outcome, Reason: s.reason}); err != nil {
		return err
	}
	select {
	case p, open := <-h.progress:
		h.ok = open && p.OK
	default:
	}
	return nil
}

func (h *host) apply(ctx context.Context, u results.Update) error {
	return h.task.d.apply(ctx, []results.Update{u})
}
