package executor

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"warren/executor/decisionlog"
	"warren/executor/jobtable"
	"warren/executor/outbox"
	"warren/executor/outputlog"
	"warren/executor/stats"
	"warren/internal/broker"
)

// A loop makes all decisions of an agent. Its goroutine alone touches its fields, and none of
// its parts blocks.
type loop struct {
	cfg   Config
	log   *slog.Logger
	agent *Agent // its channels

	table    *jobtable.Table
	gate     gate
	names    heldNames
	facts    factsCache
	journal  journalWriter
	pool     pool
	checks   checks
	output   outputKeeper
	replies  *replies
	shutdown shutdown

	stats  stats.Stats
	fresh  *jobtable.Job          // accepted since begin was last called
	logged map[*jobtable.Job]bool // jobs whose issuer is in the log
	ending map[*jobtable.Job]bool // ended jobs whose outcome is not in the logs yet
}

func newLoop(a *Agent, t *jobtable.Table, o *outputlog.Log, j Journal) *loop {
	now := a.cfg.Now()
	l := &loop{cfg: a.cfg, log: a.cfg.Log, agent: a, table: t, logged: map[*jobtable.Job]bool{}, ending: map[*jobtable.Job]bool{}}
	l.gate = gate{cfg: &l.cfg, log: l.log, limit: rate.NewLimiter(refusalRate, refusalBurst)}
	l.names = heldNames{cfg: &l.cfg, log: l.log, table: t, names: a.names, confirmAt: now.Add(jobtable.ConfirmInterval)}
	l.facts = factsCache{cfg: &l.cfg, started: now}
	l.journal = journalWriter{journal: j}
	l.pool = pool{cancels: map[*jobtable.Job]context.CancelCauseFunc{}, leaving: make(chan struct{}), reports: a.reports, contents: &a.contents}
	l.checks = checks{cfg: &l.cfg, group: &l.pool.group, ended: make(chan outbox.OneShot)}
	l.output = outputKeeper{Log: o, log: l.log}
	l.replies = newReplies(a, o)
	return l
}

// run handles events until stop ends, and then until the shutdown is complete. work ends only
// if another actor of the agent has failed.
func (l *loop) run(stop, work context.Context) error {
	defer func() { _ = l.pool.group.Wait() }() // each exec goroutine has sent its last report
	defer func() { _ = l.output.Close() }()
	work, leave := context.WithCancel(work)
	defer leave() // the goroutines of checks
	l.recover(l.cfg.Now())
	l.facts.collect(l.cfg.Now())
	stopping := stop.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := l.cfg.Now()
		l.begin(now)
		if err := l.write(work, now); err != nil {
			l.abandon() // else their goroutines wait for this loop
			return err
		}
		if l.stopped() {
			return nil
		}
		timer.Reset(l.nextWake(now))
		publisher, publication := l.replies.next(now)
		select {
		case d := <-l.agent.deliveries:
			l.deliver(work, d, l.cfg.Now())
		case r := <-l.agent.reports:
			l.report(r, l.cfg.Now())
		case answer := <-l.checks.ended:
			l.checks.running--
			l.replies.SendOnce(answer)
		case publisher <- publication:
			l.replies.sent()
		case v := <-l.agent.verdicts:
			l.confirmed(v, l.cfg.Now())
		case answer := <-l.journal.answered():
			l.written(work, answer)
		case s := <-l.agent.sessions:
			l.names.connected(s)
			l.stats.Sessions++
		case answer := <-l.agent.questions:
			answer <- l.snapshot(l.cfg.Now())
		case <-l.names.over:
			l.names.disconnected()
		case <-l.agent.drained:
			l.table.ReleaseHeld()
		case <-l.cfg.Reload:
			if l.cfg.Trust != nil {
				l.cfg.Trust.Reload()
			}
		case <-timer.C:
			l.tick(l.cfg.Now())
		case <-stopping:
			stopping = nil
			l.drain(l.cfg.Now())
		case <-work.Done():
			l.abandon()
			return nil
		}
	}
}

// drain begins the shutdown. Waiting jobs are in the journal, and run after the next start.
func (l *loop) drain(now time.Time) {
	l.shutdown.begin(time.Now().Add(l.cfg.DrainGrace))
	l.names.confirm(now)
	l.log.Info("stopping", "running", l.table.Running(), "waiting", l.table.Queued())
}

// stopped advances the shutdown and reports whether it is complete. It measures time whatever
// the host's clock shows.
func (l *loop) stopped() bool {
	before := l.shutdown.state
	idle := l.journal.writing == nil && l.replies.Idle()
	l.shutdown.advance(time.Now(), l.table.Running(), idle)
	if l.shutdown.state == before {
		return false
	}
	switch l.shutdown.state {
	case killing:
		l.pool.stop()
	case stopped:
		if !idle {
			l.log.Warn("stopped before all replies were delivered", "hint", "check_task gets the results when the agent is back")
		}
		return true
	}
	return false
}

// confirmed handles the broker's verdict on a publication.
func (l *loop) confirmed(v broker.Verdict, now time.Time) {
	l.gate.logRefusedReply(v, now)
	if j := l.replies.Confirm(v, now); j != nil {
		l.table.SetDelivered(j, now)
	}
}

// nextWake returns how long the loop may wait for an event.
func (l *loop) nextWake(now time.Time) time.Duration {
	wake := l.names.confirmAt
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	sooner(l.replies.WakeAt())
	sooner(l.journal.wakeAt(l.table))
	sooner(l.replies.acks.wakeAt())
	if t := l.table.NextExpiry(l.cfg.Limits.Tolerance); l.shutdown.state == serving && !t.IsZero() {
		sooner(t.Add(time.Millisecond)) // after it
	}
	sleep := wake.Sub(now)
	if d := l.shutdown.deadline; !d.IsZero() {
		sleep = min(sleep, time.Until(d))
	}
	return max(sleep, 0)
}

// tick does what is due.
func (l *loop) tick(now time.Time) {
	l.replies.acks.tick(now)
	if !now.Before(l.names.confirmAt) {
		l.names.confirm(now)
		l.output.dropBefore(l.table.FirstOutputSegment(now))
	}
	l.replies.Tick(now)
}

// begin takes as many waiting jobs from the queue as there are free workers. Their commands
// start once the journal says that they have begun.
func (l *loop) begin(now time.Time) {
	defer l.logWaiting()
	if l.shutdown.state != serving {
		return
	}
	for _, j := range l.table.Expire(now) {
		l.ended(j)
	}
	for j := l.table.Next(); j != nil; j = l.table.Next() {
		run := j.Run
		if j != l.fresh { // that one has just been authorized
			var refusal string
			if run, refusal = l.gate.reauthorize(j, now); refusal != "" {
				l.table.Revoke(j, refusal, now)
				l.stats.CountRefusal(revoked(j, refusal, now))
				l.ended(j)
				continue
			}
		}
		l.table.Begin(j, run, l.cfg.codePage(run), now)
		l.replies.JobChanged(j)
	}
}

// logWaiting logs a job that was accepted and has to wait for a worker.
func (l *loop) logWaiting() {
	if j := l.fresh; j != nil && j.Phase == jobtable.Waiting {
		l.logged[j] = true
		l.log.Info("accepted", "job", j.ID, "task", j.Task, "host", j.Host, "issuer", j.Issuer)
	}
	l.fresh = nil
}

// ended sends the outcome of a job to its reply queues, and logs it, once the journal has it: until
// then, a start of the agent may find another one.
func (l *loop) ended(j *jobtable.Job) {
	if l.ending[j] = true; j.Durable() {
		logEnd(l, j)
	}
	l.replies.JobChanged(j)
}

func logEnd(l *loop, j *jobtable.Job) {
	delete(l.ending, j)
	attrs := []any{"job", j.ID, "task", j.Task, "host", j.Host, "outcome", j.Result.Outcome}
	if j.Result.ExitCode != nil {
		attrs = append(attrs, "exit_code", *j.Result.ExitCode)
	}
	if j.Result.Killed > 0 {
		attrs = append(attrs, "killed", j.Result.Killed)
	}
	if j.Result.Left > 0 {
		attrs = append(attrs, "left", j.Result.Left)
	}
	if j.Result.Reason != "" {
		attrs = append(attrs, "reason", j.Result.Reason)
	}
	if !l.logged[j] && j.Issuer != "" {
		attrs = append(attrs, "issuer", j.Issuer)
	}
	delete(l.logged, j)
	l.stats.CountEnd(j.Result.Outcome)
	l.log.Info("ended", attrs...)
	l.gate.decisions.Ended(decisionlog.Job{Task: j.Task, ID: j.ID, Host: j.Host, Issuer: j.Issuer}, &j.Result, l.cfg.Now())
}

// abandon kills running commands, since the agent has failed.
func (l *loop) abandon() {
	l.pool.stop()
	for len(l.pool.cancels) > 0 {
		l.report(<-l.agent.reports, l.cfg.Now())
	}
}
