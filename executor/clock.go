package executor

import (
	"time"
)

// clockStep is how far the clock may move against the time that has passed before the
// age of the journal is reckoned anew: more than adjustments by NTP, which are slow.
const clockStep = time.Second

// made is when the journal was made, which decides what may have run before it. The
// clock may have been wrong then: behind, as on a machine without a battery before NTP
// has set it, so that the journal would take what ran before it; or ahead, so that it
// would take nothing for years.
type made struct {
	origin moment        // zero: it is fixed
	ahead  time.Time     // a later time that was taken back, since the clock was before it
	lead   time.Duration // by which the clock was found behind by what operators sent

	// denied is the latest issue time of the runs that were not taken because they may
	// have run before the journal. Their operators may have concluded that they never
	// run, so a clock that is set back later must not let them run.
	denied time.Time
}

// madeEntry is a record of it.
type madeEntry struct {
	instant
	Ahead int64 `json:"ahead,omitzero"`
	Lead  int64 `json:"lead,omitzero"` // ms

	Denied int64 `json:"denied,omitzero"`
}

func (m *made) entry() *madeEntry {
	return &madeEntry{
		instant: m.origin.instant(), Ahead: milli(m.ahead), Lead: m.lead.Milliseconds(), Denied: milli(m.denied),
	}
}

func (m *made) replay(e *madeEntry) {
	m.origin, m.ahead, m.lead = e.moment(), fromMilli(e.Ahead), time.Duration(e.Lead)*time.Millisecond
	m.denied = fromMilli(e.Denied)
}

// deny notes that a run for a name was not taken because it was issued too early.
func (h *horizon) deny(name string, issuedAt time.Time) {
	if issuedAt.Before(h.since) {
		if issuedAt.After(h.made.denied) {
			h.made.denied, h.madeDirty = issuedAt, true
		}
		return
	}
	if n := h.names.held[name]; n != nil && issuedAt.Before(n.from) && issuedAt.After(n.denied) {
		n.denied, h.heldDirty = issuedAt, true
	}
}

// start begins a life of the journal, once its records have been read. Created is what
// its file says; isNew: the file was made just now. It returns what is to be logged.
func (b *journal) start(created time.Time, isNew bool, now moment) (note string) {
	b.redate(now.at)
	note = b.open(created, isNew, b.leadOfOperators(), now)
	if n := b.settle(now); n != "" {
		note = n
	}
	return note
}

// settle reckons by the clock of now what the journal can know: it is called before
// anything is decided. It returns what is to be logged.
func (b *journal) settle(now moment) (note string) {
	if note = b.reckon(now); note == clockSetBack {
		b.redate(now.at)
	}
	return note
}

// takeNames notes that a session holds these names, and no others. It returns those that
// are new to an agent that held others before.
func (b *journal) takeNames(all []string, now moment) (added []string) {
	first := len(b.names.held) == 0
	b.hold(all, now)
	b.settle(now)
	if first {
		return nil
	}
	return b.newNames(now)
}

// horizon is from when on the journal knows what was issued: for all names since it was
// made, and for each name since this agent took it.
type horizon struct {
	agent       string // this agent's id now
	tolerance   time.Duration
	maxValidity time.Duration // of a statement; zero: not known

	since time.Time // jobs issued before may have run and are not known
	floor time.Time // likewise jobs whose not-after is not later: they may have been forgotten
	made  made      // when the journal was made, from which since follows
	names names     // that the agent answers to
	clock moment    // of the last reckon

	madeDirty, heldDirty bool // made, names: not yet in the file
}

// open takes up a journal's age at start. Lead is how far operators' clocks were ahead.
func (h *horizon) open(created time.Time, isNew bool, lead time.Duration, now moment) (note string) {
	switch {
	case isNew:
		h.made.origin = now
		h.madeDirty = true
	case h.made.origin.at.IsZero(): // killed before it was written
		h.made.origin.at = created
	}
	h.mend(now)
	if !now.comparable(h.made.origin) {
		note = h.startAnew(lead, now)
	}
	return note
}

// startAnew looks at a journal that was made before the machine was last started, or by
// another process where the system tells no more.
func (h *horizon) startAnew(lead time.Duration, now moment) (note string) {
	m := &h.made
	switch {
	case now.at.Before(m.origin.at.Add(-h.tolerance)):
		m.ahead, m.origin = later(m.ahead, m.origin.at), now
		note = clockWasAhead
	case !m.ahead.IsZero() && !now.at.Before(m.ahead): // it may have been right
		m.origin.at, m.ahead = later(m.origin.at, m.ahead), time.Time{}
	case lead > m.lead && m.origin.at.Before(now.at):
		m.origin.at = earlier(m.origin.at.Add(lead-m.lead), now.at)
		m.lead = lead
		note = clockWasBehind
	default:
		return ""
	}
	h.madeDirty = true
	return note
}

// What is logged of the journal's age.
const (
	clockWasBehind = "the clock was behind when the journal was made: jobs that were issued before may have run, and are not taken"
	clockWasAhead  = "the clock was ahead when the journal was made, or is behind now: jobs that were issued before now may have run, and are not taken"
	clockSetBack   = "the clock was set back: the journal is as old as before"
)

// reckon says by the clock of now what the journal can know. It returns what is to be
// logged.
func (h *horizon) reckon(now moment) (note string) {
	h.clock = now
	h.settleNames(now)
	m := &h.made
	if m.origin.at.IsZero() {
		return ""
	}
	switch at := now.timeOf(m.origin); {
	case at.After(m.origin.at.Add(clockStep)):
		note, m.origin.at, h.madeDirty = clockWasBehind, at, true
	case at.Before(m.origin.at.Add(-clockStep - h.tolerance)):
		m.ahead = later(m.ahead, m.origin.at)
		note, m.origin.at, h.madeDirty = clockSetBack, at, true
		h.mend(now)
	}
	h.since = beginning(m.origin.at, h.tolerance)
	return note
}

// mend takes back what a clock that was ahead has left: a floor that would refuse
// everything until that time has come.
func (h *horizon) mend(now moment) {
	if h.maxValidity > 0 && h.floor.After(now.at.Add(h.maxValidity+h.tolerance)) {
		h.floor, h.made.origin, h.madeDirty = now.at, now, true
	}
}

// beginning is from when on a journal knows what was issued: a job may have run
// before the journal was made, and yet be issued later by an operator's clock.
// Both times are cut to the millisecond.
func beginning(created time.Time, tolerance time.Duration) time.Time {
	return created.Truncate(time.Millisecond).Add(tolerance + time.Millisecond)
}

// A doubt is why a job that is not known may have run all the same.
type doubt int

const (
	certain   doubt = iota // it has not
	forgotten              // here, before this journal can tell
	elsewhere              // on another host that had the name before
)

// doubts says whether a job that is not known, of these times, may have run.
func (h *horizon) doubts(r *order, issuedAt, notAfter time.Time) doubt {
	if issuedAt.Before(h.since) || !issuedAt.After(h.made.denied) || !notAfter.After(h.floor) {
		return forgotten
	}
	if _, why := h.takenAfter(r.Leaf.Host, issuedAt); why != "" && r.doubted() {
		return elsewhere
	}
	return certain
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// milli is 0 for the zero time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
