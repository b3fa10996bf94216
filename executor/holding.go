package executor

import "time"

// A connection is one session, as the loop hears of it before anything is delivered.
type connection struct {
	names []string        // answered to
	over  <-chan struct{} // closed when it ends
}

// connected notes which names the agent answers to from now on.
func (l *loop) connected(c connection) {
	now := l.cfg.Now()
	l.names, l.over, l.touchAt = c.names, c.over, now.Add(touchEvery)
	at := l.moment(now)
	known := len(l.journal.names.held) > 0
	l.journal.take(c.names, at)
	if names := l.journal.newNames(at); known && len(names) > 0 {
		l.log.Info("names newly taken, or for the first time in a while: for these, requests that are older are not executed", "names", names)
	}
}

// disconnected notes that the session is over.
func (l *loop) disconnected() {
	l.over = nil
	l.journal.leave()
}

// touch notes that the names are still held, and looks whether the clock was set.
func (l *loop) touch(now time.Time) {
	l.touchAt = now.Add(touchEvery)
	l.settle(now)
	l.journal.touch(l.journal.clock)
}

// settle has the journal reckon by the clock as it is now.
func (l *loop) settle(now time.Time) {
	if note := l.journal.settle(l.moment(now)); note != "" {
		l.log.Warn(note, "takes_jobs_from", l.journal.since)
	}
}

func (l *loop) moment(now time.Time) moment { return momentOf(now, l.cfg.Uptime()) }

// now is the moment by the agent's clocks.
func (c *Config) now() moment { return momentOf(c.Now(), c.Uptime()) }
