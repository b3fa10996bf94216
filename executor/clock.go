package executor

import (
	"time"

	"warren/internal/wire"
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
func (b *journal) deny(name string, issuedAt time.Time) {
	if issuedAt.Before(b.since) {
		if issuedAt.After(b.made.denied) {
			b.made.denied, b.madeDirty = issuedAt, true
		}
		return
	}
	if h := b.names.held[name]; h != nil && issuedAt.Before(h.from) && issuedAt.After(h.denied) {
		h.denied, b.heldDirty = issuedAt, true
	}
}

// start begins a life of the journal, once its records have been read. Created is what
// its file says; isNew: the file was made just now. It returns what is to be logged.
func (b *journal) start(created time.Time, isNew bool, now moment) (note string) {
	switch {
	case isNew:
		b.made.origin = now
		b.madeDirty = true
	case b.made.origin.at.IsZero(): // killed before it was written
		b.made.origin.at = created
	}
	b.mend(now)
	if !now.comparable(b.made.origin) {
		note = b.startAnew(now)
	}
	if n := b.settle(now); n != "" {
		note = n
	}
	return note
}

// startAnew looks at a journal that was made before the machine was last started, or by
// another process where the system tells no more.
func (b *journal) startAnew(now moment) (note string) {
	m := &b.made
	switch lead := b.leadOfOperators(); {
	case now.at.Before(m.origin.at.Add(-b.limits.Tolerance)):
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
	b.madeDirty = true
	return note
}

// What is logged of the journal's age.
const (
	clockWasBehind = "the clock was behind when the journal was made: jobs that were issued before may have run, and are not taken"
	clockWasAhead  = "the clock was ahead when the journal was made, or is behind now: jobs that were issued before now may have run, and are not taken"
	clockSetBack   = "the clock was set back: the journal is as old as before"
)

// settle reckons by the clock of now what the journal can know: it is called before
// anything is decided. It returns what is to be logged.
func (b *journal) settle(now moment) (note string) {
	b.clock = now
	b.settleNames(now)
	m := &b.made
	if m.origin.at.IsZero() {
		return ""
	}
	switch at := now.timeOf(m.origin); {
	case at.After(m.origin.at.Add(clockStep)):
		note, m.origin.at, b.madeDirty = clockWasBehind, at, true
	case at.Before(m.origin.at.Add(-clockStep - b.limits.Tolerance)):
		m.ahead = later(m.ahead, m.origin.at)
		note, m.origin.at, b.madeDirty = clockSetBack, at, true
		b.mend(now)
	}
	b.since = beginning(m.origin.at, b.limits.Tolerance)
	return note
}

// leadOfOperators is how far in the future by this host's clock operators have issued
// jobs that were refused for it: as far as that clock was behind, or theirs ahead.
func (b *journal) leadOfOperators() (lead time.Duration) {
	for _, j := range b.jobs {
		if d := j.issuedAt.Sub(j.acceptedAt); j.phase == ended && j.result.Outcome == wire.Rejected && d > b.limits.Tolerance {
			lead = max(lead, d)
		}
	}
	return lead
}

// mend takes back what a clock that was ahead has left: results that would be kept
// until that time has come, and a floor that would refuse everything until then.
func (b *journal) mend(now moment) {
	for _, j := range b.done {
		if time.UnixMilli(j.result.EndedAt).After(now.at.Add(b.limits.Tolerance)) {
			j.keptFrom = now.at
		}
	}
	if b.maxValidity > 0 && b.floor.After(now.at.Add(b.maxValidity+b.limits.Tolerance)) {
		b.floor, b.made.origin, b.madeDirty = now.at, now, true
	}
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
