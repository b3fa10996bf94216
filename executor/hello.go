package executor

import (
	"time"

	"warren/internal/wire"
)

// factsFor is how long facts are told as they were found: many operators may ask
// at the same time, and addresses seldom change.
const factsFor = time.Minute

// hello tells who this agent is.
func (l *loop) hello(now time.Time) *wire.Hello {
	if age := now.Sub(l.factsAt); age < 0 || age >= factsFor { // less than 0: the clock was set back
		l.collect(now)
	}
	h := &wire.Hello{
		Names: l.names, Facts: l.facts,
		Running: l.journal.running, Queued: len(l.journal.queue), Workers: l.cfg.Limits.Workers,
		Disk: l.disk(), At: now.UnixMilli(),
	}
	if l.cfg.Trust != nil {
		h.RefusedFiles = l.cfg.Trust.Refused()
	}
	return h
}

// collect finds out what there is to tell. Nothing else than a discover does so
// after the start: an idle agent does nothing.
func (l *loop) collect(now time.Time) {
	l.facts, l.factsAt = l.cfg.Facts(), now
	l.facts.Version, l.facts.Labels, l.facts.StartedAt = l.cfg.Version, l.cfg.Labels, l.started.UnixMilli()
}
