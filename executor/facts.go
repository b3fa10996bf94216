package executor

import (
	"time"

	"warren/internal/wire"
)

// factsTTL is how long collected facts are reported: many operators may ask at the same time,
// and facts seldom change.
const factsTTL = time.Minute

// A factsCache has the facts about this machine. They are collected at the start and for a
// discover, not by a timer: an idle agent does nothing.
type factsCache struct {
	cfg     *Config
	started time.Time
	facts   wire.Facts
	at      time.Time // when they were collected
}

// current returns the facts, and collects them if they are old.
func (f *factsCache) current(now time.Time) wire.Facts {
	if age := now.Sub(f.at); age < 0 || age >= factsTTL { // less than 0: the clock was set back
		f.collect(now)
	}
	return f.facts
}

func (f *factsCache) collect(now time.Time) {
	f.facts, f.at = f.cfg.Facts(), now
	f.facts.Version, f.facts.Labels, f.facts.StartedAt = f.cfg.Version, f.cfg.Labels, f.started.UnixMilli()
}

// hello describes this agent.
func (l *loop) hello(now time.Time) *wire.Hello {
	h := &wire.Hello{
		Names: l.names.names, Facts: l.facts.current(now),
		Running: l.table.Running(), Queued: l.table.Queued(), Workers: l.cfg.Limits.Workers,
		Disk: l.output.disk(l.journal.err), At: now.UnixMilli(),
	}
	if ready := l.table.TakesJobsSince(l.cfg.ID); ready.After(now) {
		h.ReadyAt = ready.UnixMilli()
	}
	if l.cfg.Trust != nil {
		h.RefusedFiles = l.cfg.Trust.Refused()
	}
	return h
}
