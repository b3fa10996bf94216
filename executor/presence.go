package executor

import (
	"log/slog"
	"time"

	"warren/executor/jobtable"
)

// A connection is one session, as the loop hears of it before anything is delivered.
type connection struct {
	names []string        // answered to
	over  <-chan struct{} // closed when it ends
}

// presence keeps the journal informed of the clock and of the names that the agent
// answers to.
type presence struct {
	cfg     *Config
	log     *slog.Logger
	journal *jobtable.Table
	names   []string        // answered to now; empty before the first session
	over    <-chan struct{} // closed when the session with these names ends; nil: it has
	touchAt time.Time       // when it is next noted that the names are held
}

// connected notes which names the agent answers to from now on.
func (p *presence) connected(c connection) {
	now := p.cfg.Now()
	p.names, p.over, p.touchAt = c.names, c.over, now.Add(jobtable.ConfirmInterval)
	if names := p.journal.SetNames(c.names, p.moment(now)); len(names) > 0 {
		p.log.Info("took names that are new to this agent, or that it did not hold for a while: older requests for them are not executed", "names", names)
	}
}

// disconnected notes that the session is over.
func (p *presence) disconnected() {
	p.over = nil
	p.journal.SessionEnded()
}

// touch notes that the names are still held, and looks whether the clock was set.
func (p *presence) touch(now time.Time) {
	p.touchAt = now.Add(jobtable.ConfirmInterval)
	p.settle(now)
	p.journal.ConfirmNames(p.moment(now))
}

// settle has the journal reckon by the clock as it is now.
func (p *presence) settle(now time.Time) {
	if note := p.journal.SetClock(p.moment(now)); note != "" {
		p.log.Warn(note, "takes_jobs_from", p.journal.KnownSince())
	}
}

func (p *presence) moment(now time.Time) jobtable.Moment {
	return jobtable.MomentOf(now, p.cfg.Uptime())
}

// now is the moment by the agent's clocks.
func (c *Config) now() jobtable.Moment { return jobtable.MomentOf(c.Now(), c.Uptime()) }
