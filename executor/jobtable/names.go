package jobtable

import (
	"fmt"
	"slices"
	"time"
)

const (
	// nameGapTimeout is for how long an agent may be without a name, as over a restart of its
	// own or of the broker's, and still count as the one that has held it all the time.
	//
	// That the broker refuses the name meanwhile (405) does not shorten it, since that
	// proves no other agent: the broker may believe in this agent's own last connection
	// for as long as its heartbeat takes, 60 to 90 s. What proves another holder is that
	// this agent was ready without the name. So two agents of one id, of which one takes
	// the name and loses it again within this time, are not told apart.
	nameGapTimeout = 2 * time.Minute

	// ConfirmInterval is how often it is written, without a sync, that the names are still
	// held. An agent that is killed has lost no more of it.
	ConfirmInterval = 30 * time.Second
)

// A heldName is one name that this agent answers to.
type heldName struct {
	since Moment // held without a break since then
	// fresh: this agent has not held the name before, or not since another may have.
	// An operator's clock may then be ahead, as for a new journal.
	fresh bool
	from  time.Time // what is issued before is refused
	// lastDenied is the latest issue time of the runs that were not taken for that. As with
	// made.denied, a clock that is set back later must not let them run.
	lastDenied time.Time
}

// names are those that this agent answers to, or has until a while ago. They belong
// to the journal, which decides by them what may have run elsewhere.
type names struct {
	held      map[string]*heldName
	until     Moment // known to be held until then
	connected bool   // they are held now
}

// setNames notes that a session holds these names, and no others.
func (z *horizon) setNames(all []string, now Moment) {
	n := &z.names
	gap := now.since(n.until)
	unbroken := gap >= -z.tolerance && gap <= nameGapTimeout
	held := make(map[string]*heldName, len(all))
	for _, name := range all {
		h := n.held[name]
		switch {
		case h == nil:
			h = &heldName{since: now, fresh: true}
		case !unbroken, now.timeOf(h.since).After(now.at.Add(z.tolerance)): // or by a clock that was ahead
			h = &heldName{since: now, fresh: h.fresh && z.takenLately(h, now), lastDenied: h.lastDenied}
		}
		held[name] = h
	}
	n.held, n.until, n.connected = held, now, true
	z.namesDirty = true
}

// takenLately reports whether a name was taken so lately that operators' clocks still
// matter.
func (z *horizon) takenLately(h *heldName, now Moment) bool {
	return now.since(h.since) <= z.tolerance
}

// ConfirmNames notes that the names are still held. After a gap, as in a machine that has
// slept, the connection may be one that the broker has long given up: the names then
// count as held until before it.
func (z *horizon) ConfirmNames(now Moment) {
	if n := &z.names; n.connected && now.since(n.until) <= nameGapTimeout {
		n.until = now
		z.namesDirty = true
	}
}

// SessionEnded notes that the session is over.
func (z *horizon) SessionEnded() { z.names.connected = false }

// NameTakenAfter says why another host may have run a request for a name, that was issued
// before this agent took the name; empty where none can.
func (z *horizon) NameTakenAfter(name string, issuedAt time.Time) (from time.Time, why string) {
	h := z.names.held[name]
	if h == nil || !issuedAt.Before(h.from) && issuedAt.After(h.lastDenied) {
		return time.Time{}, ""
	}
	to := name
	if name == z.agent {
		to = "this name"
	}
	return h.from, fmt.Sprintf("%s has answered to %s only since %s UTC by its clock; this request is older",
		z.agent, to, z.clock.timeOf(h.since).UTC().Format(time.TimeOnly))
}

// A namesRecord is a record of the names.
type namesRecord struct {
	Held  map[string]nameRecord `json:"held"`
	Until instant               `json:"until"`
}

type nameRecord struct {
	instant
	Fresh      bool  `json:"fresh,omitzero"`
	LastDenied int64 `json:"denied,omitzero"` // ms
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

// settleNames says of each name from when on requests for it are taken, as far as the
// clock tells now.
func (z *horizon) settleNames(now Moment) {
	for _, h := range z.names.held {
		h.from = now.timeOf(h.since).Truncate(time.Millisecond)
		if h.fresh {
			h.from = knownFrom(h.from, z.tolerance)
		}
	}
}

// newNames are those of the names that were taken just now, for the log.
func (z *horizon) newNames(now Moment) (fresh []string) {
	for name, h := range z.names.held {
		if h.since == now {
			fresh = append(fresh, name)
		}
	}
	slices.Sort(fresh)
	return fresh
}
