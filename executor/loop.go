package executor

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"warren/executor/decisionlog"
	"warren/executor/outputlog"
	"warren/internal/agent/trust"
	"warren/internal/broker"
	"warren/internal/wire"
)

// flushFor is how long a stopping agent tries to deliver what it has to say.
const flushFor = 5 * time.Second

// loop is the agent's one decision maker. It alone touches its fields.
type loop struct {
	cfg     Config
	log     *slog.Logger
	journal *journal
	outbox  *outbox
	outputs *outputlog.Log
	file    RecordFile // nil: the journal lives in memory
	saving  *batch     // being written; nil none
	acks    []delivery // decided, to be acknowledged once the journal is written
	owed    acks       // whose acknowledgement leaves with the next reply
	turn    uint64     // of the loop; from 1 on
	fresh   []*job     // accepted in this turn

	saveFailed bool            // the last write did
	saveError  error           // why
	saveAgain  time.Time       // no write before
	rewriting  bool            // saving is a compaction
	rewritten  int64           // size of the file after the last one
	fileSize   int64           // as of the last answer
	names      []string        // answered to now; empty before the first session
	over       <-chan struct{} // closed when the session with these names ends; nil: it has
	touchAt    time.Time       // when it is next noted that the names are held
	started    time.Time
	facts      wire.Facts // of this machine
	factsAt    time.Time  // when they were collected
	draining   bool
	refusals   *rate.Limiter              // of what is logged and answered to strangers
	decisions  *decisionlog.Log           // nil: none is kept
	unlogged   int                        // refusals above it, since the last that was logged
	exec       *errgroup.Group            // running commands
	leaving    chan struct{}              // closed when they cannot be waited for any longer
	reports    chan<- report              // given to them
	out        chan<- *broker.Publication // to the publisher

	agent *Agent // its channels
}

func newLoop(a *Agent, b *journal, o *outputlog.Log, file RecordFile) *loop {
	b.agent = a.cfg.ID
	return &loop{
		cfg: a.cfg, log: a.cfg.Log, agent: a, started: a.cfg.Now(), names: a.names, touchAt: a.cfg.Now().Add(touchEvery),
		turn: 1, journal: b, outbox: newOutbox(a.cfg.ID, o), outputs: o, file: file,
		refusals: rate.NewLimiter(refusalRate, refusalBurst), exec: new(errgroup.Group), leaving: make(chan struct{}), reports: a.reports, out: a.publisher.In(),
	}
}

// run decides until stop ends, drains, and returns. work ends only if another
// actor of the agent has failed.
func (l *loop) run(stop, work context.Context) error {
	defer l.exec.Wait() // each exec goroutine has reported by then
	defer l.outputs.Close()
	l.recover(l.cfg.Now())
	l.collect(l.cfg.Now())
	var graceOver, leave <-chan time.Time
	stopping := stop.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := l.cfg.Now()
		l.begin(now)
		if err := l.save(work, now); err != nil {
			return err
		}
		if l.draining && l.journal.running == 0 && leave == nil {
			leave = time.After(flushFor)
		}
		if l.draining && l.journal.running == 0 && l.saving == nil && l.outbox.idle() {
			return nil
		}
		timer.Reset(l.nextWake(now))
		var publish chan<- *broker.Publication
		pub := l.outbox.pending(now, l.agent.verdicts)
		if pub != nil {
			publish, pub.Acks = l.out, l.owed.deliveries
		}
		select {
		case d := <-l.agent.deliveries:
			l.deliver(d, l.cfg.Now())
		case r := <-l.agent.reports:
			l.report(r, l.cfg.Now())
		case publish <- pub:
			l.outbox.sent()
			l.owed = acks{}
		case v := <-l.agent.verdicts:
			l.logRefused(v, l.cfg.Now())
			if j := l.outbox.verdict(v, l.cfg.Now()); j != nil {
				l.journal.delivered(j, l.cfg.Now())
			}
		case answer := <-l.saving.answered():
			l.saved(work, answer)
		case s := <-l.agent.sessions:
			l.connected(s)
		case <-l.over:
			l.disconnected()
		case <-l.agent.drained:
			l.journal.unhold()
		case <-l.cfg.Reload:
			if l.cfg.Trust != nil {
				l.cfg.Trust.Reload()
			}
		case <-timer.C:
			l.tick(l.cfg.Now())
		case <-stopping:
			stopping = nil
			l.drain(l.cfg.Now())
			graceOver = time.After(l.cfg.DrainGrace)
		case <-graceOver:
			l.stopRunning()
		case <-leave:
			l.log.Warn("leaving with results that were not delivered", "hint", "check_task asks for them once the agent is back")
			return nil
		case <-work.Done():
			l.abandon()
			return nil
		}
	}
}

// logRefused logs a reply that the broker refuses, which may be why an operator does
// not hear of a job.
func (l *loop) logRefused(v broker.Verdict, now time.Time) {
	if v.Kind == broker.Refused && l.refusals.AllowN(now, 1) {
		l.log.Error("the broker refused a reply", "reason", v.Reason,
			"hint", "an agent's login must be permitted to write to "+wire.ExchangeReplies+" (warren broker-setup), and max_message_size in rabbitmq.conf must be 128 KiB or more")
	}
}

// nextWake is how long the loop may sleep.
func (l *loop) nextWake(now time.Time) time.Duration {
	wake := l.touchAt
	if q := l.journal.nextQuiet(); !q.IsZero() && q.Before(wake) {
		wake = q
	}
	if len(l.outbox.later) > 0 && l.outbox.again.Before(wake) {
		wake = l.outbox.again
	}
	if t := l.journal.nextExpiry(); !l.draining && !t.IsZero() && t.Before(wake) {
		wake = t.Add(time.Millisecond) // after it, not at it
	}
	if save := later(l.saveAgain, l.journal.saveBy); l.saving == nil && len(l.journal.unsaved) > 0 && save.Before(wake) {
		wake = save
	}
	if len(l.owed.deliveries) > 0 && l.owed.by.Before(wake) {
		wake = l.owed.by
	}
	return max(wake.Sub(now), 0)
}

func (l *loop) tick(now time.Time) {
	l.owed.settle(now)
	if !now.Before(l.touchAt) {
		l.touch(now)
	}
	for _, j := range l.journal.loud(now) {
		l.outbox.changed(j)
	}
	if len(l.outbox.later) > 0 && !now.Before(l.outbox.again) {
		l.outbox.retry()
	}
}

// begin chooses as many waiting jobs as there are free workers. They are
// executed once the journal has them as begun.
func (l *loop) begin(now time.Time) {
	defer l.endTurn()
	if l.draining {
		return
	}
	for _, j := range l.journal.expire(now) {
		l.ended(j)
	}
	for j := l.journal.next(); j != nil; j = l.journal.next() {
		if j.judged != l.turn {
			run, refusal := l.judgeAgain(j, now)
			if refusal != "" {
				l.journal.revoke(j, refusal, now)
				l.ended(j)
				continue
			}
			j.run = run
		}
		l.journal.begin(now)
		l.outbox.changed(j)
	}
}

// endTurn logs which of the jobs that were accepted in this turn have to wait.
func (l *loop) endTurn() {
	for _, j := range l.fresh {
		if j.phase == waiting {
			j.logged = true
			l.log.Info("accepted", "job", j.id, "task", j.task, "host", j.host, "issuer", j.issuer)
		}
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
	l.turn++
}

// ended logs a job's outcome and tells those who wait for it.
func (l *loop) ended(j *job) {
	attrs := []any{"job", j.id, "task", j.task, "host", j.host, "outcome", j.result.Outcome}
	if j.result.ExitCode != nil {
		attrs = append(attrs, "exit_code", *j.result.ExitCode)
	}
	if j.result.Killed > 0 {
		attrs = append(attrs, "killed", j.result.Killed)
	}
	if j.result.Left > 0 {
		attrs = append(attrs, "left", j.result.Left)
	}
	if j.result.Reason != "" {
		attrs = append(attrs, "reason", j.result.Reason)
	}
	if !j.logged && j.issuer != "" {
		attrs = append(attrs, "issuer", j.issuer)
	}
	l.log.Info("ended", attrs...)
	l.decisions.Ended(decisionlog.Job{Task: j.task, ID: j.id, Host: j.host, Issuer: j.issuer}, &j.result, l.cfg.Now())
	l.outbox.changed(j)
}

// drain stops taking work: what runs gets its grace; what waits is refused
// unless the journal keeps it.
func (l *loop) drain(now time.Time) {
	l.draining = true
	l.touch(now)
	l.log.Info("stopping", "running", l.journal.running, "waiting", len(l.journal.queue))
	if l.file != nil {
		return // what waits is in the journal, and will run when the agent is back
	}
	for _, j := range l.journal.drain(now) {
		l.ended(j)
	}
}

// stopRunning ends what still runs; each reports in its turn. A command that cannot
// be ended is given up.
func (l *loop) stopRunning() {
	select {
	case <-l.leaving:
	default:
		close(l.leaving)
	}
	for _, j := range l.journal.jobs {
		if j.phase == running && j.stop != nil {
			j.stop(errStopped)
		}
	}
}

// abandon kills what runs: there is no agent left to report to.
func (l *loop) abandon() {
	l.stopRunning()
	for l.executing() > 0 {
		l.report(<-l.agent.reports, l.cfg.Now())
	}
}

// executing counts the exec goroutines, which each have a last word to say.
func (l *loop) executing() (n int) {
	for _, j := range l.journal.jobs {
		if j.phase == running && j.stop != nil {
			n++
		}
	}
	return n
}

// accept takes a run, or notes for good that it is refused.
func (l *loop) accept(v *trust.Verdict, r *order, held bool, now time.Time) {
	if v.Refusal == "" {
		v.Refusal = unable(v.Run)
	}
	refusal := v.Refusal
	if l.draining && l.file == nil {
		refusal = "the agent is stopping" // else it waits for the next start
	}
	j, known := l.journal.accept(r, refusal, held, now)
	if st := r.Statement; j == nil && l.journal.doubts(r, time.UnixMilli(st.IssuedAt), time.UnixMilli(st.NotAfter)) != certain {
		l.forgotten(r.Request, st.IssuedAt, now)
		return
	}
	if j == nil {
		l.log.Warn("no room to remember another job; not answered", "job", r.Leaf.Job, "remembered", len(l.journal.jobs))
		return
	}
	if !known {
		j.judged = l.turn
		l.fresh = append(l.fresh, j)
		l.decisions.Verdict(v, now)
		if v.Refusal != "" {
			l.refused(v, now)
		}
	}
	l.outbox.tell(j, r.Statement.ReplyTo)
	if !known && j.phase == ended {
		l.ended(j)
	}
}

func (l *loop) cancel(r *order, now time.Time) {
	before := l.journal.known(r)
	again := before != nil && (before.phase == ended || before.canceling)
	j, stop := l.journal.cancel(r, now)
	switch {
	case j == nil:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case stop:
		if !again {
			l.log.Info("canceling", "job", j.id, "task", j.task)
		}
		if j.stop != nil {
			j.stop(errCanceled)
		} // else it is not executed at all
		l.answer(r.Request, j.state(now))
	case !again:
		l.ended(j)
	}
	l.outbox.restart(j, r.Statement.ReplyTo)
}

func (l *loop) status(r *order, now time.Time) {
	j, state := l.journal.status(r, now)
	switch {
	case state == wire.StateForgotten:
		l.forgotten(r.Request, r.Statement.Of.IssuedAt, now)
		return
	case j == nil:
		l.answer(r.Request, &wire.State{Job: r.Leaf.Job, State: state, At: now.UnixMilli()})
		return
	}
	if j.phase != ended {
		l.answer(r.Request, j.state(now))
	}
	l.outbox.restart(j, r.Statement.ReplyTo)
}

// forgotten says that nobody here can tell what became of a job, and, where the
// journal is too young or the name was taken later, from when on it can.
func (l *loop) forgotten(r *wire.Request, issuedAt int64, now time.Time) {
	s := &wire.State{Job: r.Leaf.Job, State: wire.StateForgotten, At: now.UnixMilli()}
	from, why := l.journal.takenAfter(r.Leaf.Host, time.UnixMilli(issuedAt))
	if since := l.journal.since.UnixMilli(); issuedAt < since {
		s.Since = since // the journal is new: that says enough
	} else {
		s.Reason = why
	}
	if why != "" {
		s.Since = max(s.Since, from.UnixMilli())
	}
	if l.refusals.AllowN(now, 1) { // anybody may have captured it
		l.log.Warn("cannot tell whether this job has run", "job", r.Leaf.Job, "task", r.Statement.Task, "type", r.Statement.Type, "reason", s.Reason)
	}
	l.answer(r, s)
}

// answer sends one reply that no job keeps.
func (l *loop) answer(r *wire.Request, v any) {
	correlation := r.Leaf.Job
	if correlation == "" {
		correlation = r.Statement.Task
	}
	l.outbox.note(note{to: r.Statement.ReplyTo, correlation: correlation, reply: v})
}
