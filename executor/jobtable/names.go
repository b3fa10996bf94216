package jobtable

import (
	"fmt"
	"slices"
	"time"
)

const (
	// nameGapTimeout is how long an agent may be without a name, such as during a restart of
	// the agent or the broker, and still count as its holder without a break.
	//
	// A refusal of the name by the broker (405) does not shorten it, since it does not prove
	// another holder: the broker may take 60 to 90 s to notice that this agent's last
	// connection is gone. A session without the name does prove another holder. So if
	// another agent takes the name and loses it again within this time, this agent does
	// not notice.
	nameGapTimeout = 2 * time.Minute

	// ConfirmInterval is how often ConfirmNames is called. After a kill, the names may have
	// been held for this much longer than the journal says.
	ConfirmInterval = 30 * time.Second
)

// A heldName is a name that this agent holds.
type heldName struct {
	since Moment // when it was taken; held without a break since
	// fresh: this agent has not held the name before. Operators' clocks may be ahead, so the
	// tolerance counts too, as for a new journal.
	fresh bool
	from  time.Time // requests that were issued earlier are refused
	// lastDenied is the latest issue time of the runs that were refused for that. As with
	// creation.lastDenied, a clock that is set back later must not let them run.
	lastDenied time.Time
}

// names are the names that this agent holds, or held until a while ago. By them the table
// decides what may have run on another host.
type names struct {
	held      map[string]*heldName
	until     Moment // the last time when they were known to be held
	connected bool   // a session holds them
}

// setNames notes that a session holds these names, and no others.
func (h *horizon) setNames(all []string, now Moment) {
	known := &h.names
	gap := now.since(known.until)
	unbroken := gap >= -h.tolerance && gap <= nameGapTimeout
	held := make(map[string]*heldName, len(all))
	for _, name := range all {
		n := known.held[name]
		switch {
		case n == nil:
			n = &heldName{since: now, fresh: true}
		case !unbroken, now.timeOf(n.since).After(now.at.Add(h.tolerance)): // or taken by a clock that was ahead
			n = &heldName{since: now, fresh: n.fresh && h.takenLately(n, now), lastDenied: n.lastDenied}
		}
		held[name] = n
	}
	known.held, known.until, known.connected = held, now, true
	h.namesDirty = true
}

// takenLately reports whether a name was taken less than the tolerance ago, so that a
// difference of operators' clocks matters.
func (h *horizon) takenLately(n *heldName, now Moment) bool {
	return now.since(n.since) <= h.tolerance
}

// ConfirmNames notes that the names are still held. After a gap, such as a sleep of the
// machine, the broker may have closed the session long ago: the names then count as held
// until the gap.
func (h *horizon) ConfirmNames(now Moment) {
	if n := &h.names; n.connected && now.since(n.until) <= nameGapTimeout {
		n.until = now
		h.namesDirty = true
	}
}

// SessionEnded notes that the names are no longer held.
func (h *horizon) SessionEnded() { h.names.connected = false }

// TakesJobsSince returns from which issue time on the table takes jobs for a name of this agent:
// earlier ones may have run before the journal was created, or on another host.
func (h *horizon) TakesJobsSince(name string) time.Time {
	if n := h.names.held[name]; n != nil {
		return later(h.since, n.from)
	}
	return h.since
}

// NameTakenAfter says why another host may have run a request for a name: it was issued
// before this agent took the name, and requests count from a later time. An empty why
// means that none can have.
func (h *horizon) NameTakenAfter(name string, issuedAt time.Time) (from time.Time, why string) {
	n := h.names.held[name]
	if n == nil || !issuedAt.Before(n.from) && issuedAt.After(n.lastDenied) {
		return time.Time{}, ""
	}
	to := name
	if name == h.agent {
		to = "this name"
	}
	return n.from, fmt.Sprintf("%s has answered to %s only since %s UTC by its clock; this request is older",
		h.agent, to, h.clock.timeOf(n.since).UTC().Format(time.TimeOnly))
}

// A namesRecord has the names in the journal.
type namesRecord struct {
	Held  map[string]nameRecord `json:"held"`
	Until instant               `json:"until"`
}

type nameRecord struct {
	instant
	Fresh      bool  `json:"fresh,omitzero"`
	LastDenied int64 `json:"last_denied,omitzero"` // ms
}

func (n *names) entry() *namesRecord {
	e := &namesRecord{Held: make(map[string]nameRecord, len(n.held)), Until: n.until.instant()}
	for name, h := range n.held {
		e.Held[name] = nameRecord{h.since.instant(), h.fresh, milli(h.lastDenied)}
	}
	return e
}

func (n *names) replay(e *namesRecord) {
	n.held, n.until = make(map[string]*heldName, len(e.Held)), e.Until.moment()
	for name, h := range e.Held {
		n.held[name] = &heldName{since: h.moment(), fresh: h.Fresh, lastDenied: fromMilli(h.LastDenied)}
	}
}

// settleNames computes by the current clock from when requests for each name are taken.
func (h *horizon) settleNames(now Moment) {
	for _, n := range h.names.held {
		n.from = now.timeOf(n.since).Truncate(time.Millisecond)
		if n.fresh {
			n.from = knownFrom(n.from, h.tolerance)
		}
	}
}

// newNames returns the names that were taken just now.
func (h *horizon) newNames(now Moment) (fresh []string) {
	for name, n := range h.names.held {
		if n.since == now {
			fresh = append(fresh, name)
		}
	}
	slices.Sort(fresh)
	return fresh
}
