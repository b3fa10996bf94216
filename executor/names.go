package executor

import (
	"log/slog"
	"time"

	"warren/executor/jobtable"
)

// A connection is a new session: the session sends it to the loop before any delivery.
type connection struct {
	names []string        // that the session holds
	over  <-chan struct{} // closed when it ends
}

// heldNames keeps the job table informed of the clock and of the names that the agent
// holds.
type heldNames struct {
	cfg       *Config
	log       *slog.Logger
	table     *jobtable.Table
	names     []string        // of the last session; before it, those of the configuration
	over      <-chan struct{} // closed when the last session ends; nil: it has ended
	confirmAt time.Time       // when confirm is due
}

// connected notes the names of a new session.
func (h *heldNames) connected(c connection) {
	now := h.cfg.Now()
	h.names, h.over, h.confirmAt = c.names, c.over, now.Add(jobtable.ConfirmInterval)
	if added := h.table.SetNames(c.names, h.moment(now)); len(added) > 0 {
		h.log.Info("took names that this agent did not hold, or not for a while: older requests for them are not executed", "names", added)
	}
}

// disconnected notes the end of the session.
func (h *heldNames) disconnected() {
	h.over = nil
	h.table.SessionEnded()
}

// confirm notes that the names are still held.
func (h *heldNames) confirm(now time.Time) {
	h.confirmAt = now.Add(jobtable.ConfirmInterval)
	h.setClock(now)
	h.table.ConfirmNames(h.moment(now))
}

// setClock informs the table of the clock, which may have been set.
func (h *heldNames) setClock(now time.Time) {
	if note := h.table.SetClock(h.moment(now)); note != "" {
		h.log.Warn(note, "takes_jobs_from", h.table.KnownSince())
	}
}

func (h *heldNames) moment(now time.Time) jobtable.Moment {
	return jobtable.MomentOf(now, h.cfg.Uptime())
}

// now returns the moment by the agent's clocks.
func (c *Config) now() jobtable.Moment { return jobtable.MomentOf(c.Now(), c.Uptime()) }
