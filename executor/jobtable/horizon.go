package jobtable

import (
	"time"
)

// clockStep is how far the clock may move against the time that has passed before the
// age of the journal is reckoned anew: more than adjustments by NTP, which are slow.
const clockStep = time.Second

// creation is when the journal was made, which decides what may have run before it. The
// clock may have been wrong then: behind, as on a machine without a battery before NTP
// has set it, so that the journal would take what ran before it; or ahead, so that it
// would take nothing for years.
type creation struct {
	origin      Moment        // zero: it is fixed
	laterOrigin time.Time     // a later time that was taken back, since the clock was before it
	clockLag    time.Duration // by which the clock was found behind by what operators sent

	// lastDenied is the latest issue time of the runs that were not taken because they may
	// have run before the journal. Their operators may have concluded that they never
	// run, so a clock that is set back later must not let them run.
	lastDenied time.Time
}

// creationRecord is a record of it.
type creationRecord struct {
	instant
	LaterOrigin int64 `json:"ahead,omitzero"`
	ClockLag    int64 `json:"lead,omitzero"` // ms

	LastDenied int64 `json:"denied,omitzero"`
}

func (m *creation) entry() *creationRecord {
	return &creationRecord{
		instant: m.origin.instant(), LaterOrigin: milli(m.laterOrigin), ClockLag: m.clockLag.Milliseconds(), LastDenied: milli(m.lastDenied),
	}
}

func (m *creation) replay(e *creationRecord) {
	m.origin, m.laterOrigin, m.clockLag = e.moment(), fromMilli(e.LaterOrigin), time.Duration(e.ClockLag)*time.Millisecond
	m.lastDenied = fromMilli(e.LastDenied)
}

// deny notes that a run for a name was not taken because it was issued too early.
func (h *horizon) deny(name string, issuedAt time.Time) {
	if issuedAt.Before(h.Since) {
		if issuedAt.After(h.creation.lastDenied) {
			h.creation.lastDenied, h.creationDirty = issuedAt, true
		}
		return
	}
	if n := h.names.held[name]; n != nil && issuedAt.Before(n.from) && issuedAt.After(n.lastDenied) {
		n.lastDenied, h.namesDirty = issuedAt, true
	}
}

// Start begins a life of the journal, once its records have been read. Created is what
// its file says; isNew: the file was made just now. It returns what is to be logged.
func (b *Table) Start(created time.Time, isNew bool, now Moment) (note string) {
	b.redate(now.at)
	note = b.open(created, isNew, b.operatorClockLead(), now)
	if n := b.SetClock(now); n != "" {
		note = n
	}
	return note
}

// SetClock reckons by the clock of now what the journal can know: it is called before
// anything is decided. It returns what is to be logged.
func (b *Table) SetClock(now Moment) (note string) {
	if note = b.update(now); note == clockSetBack {
		b.redate(now.at)
	}
	return note
}

// SetNames notes that a session holds these names, and no others. It returns those that
// are new to an agent that held others before.
func (b *Table) SetNames(all []string, now Moment) (added []string) {
	first := len(b.names.held) == 0
	b.setNames(all, now)
	b.SetClock(now)
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

	Since    time.Time // jobs issued before may have run and are not known
	floor    time.Time // likewise jobs whose not-after is not later: they may have been forgotten
	creation creation  // when the journal was made, from which since follows
	names    names     // that the agent answers to
	clock    Moment    // of the last reckon

	creationDirty, namesDirty bool // made, names: not yet in the file
}

// open takes up a journal's age at start. Lead is how far operators' clocks were ahead.
func (h *horizon) open(created time.Time, isNew bool, lead time.Duration, now Moment) (note string) {
	switch {
	case isNew:
		h.creation.origin = now
		h.creationDirty = true
	case h.creation.origin.at.IsZero(): // killed before it was written
		h.creation.origin.at = created
	}
	h.repairFuture(now)
	if !now.comparable(h.creation.origin) {
		note = h.afterReboot(lead, now)
	}
	return note
}

// afterReboot looks at a journal that was made before the machine was last started, or by
// another process where the system tells no more.
func (h *horizon) afterReboot(lead time.Duration, now Moment) (note string) {
	m := &h.creation
	switch {
	case now.at.Before(m.origin.at.Add(-h.tolerance)):
		m.laterOrigin, m.origin = later(m.laterOrigin, m.origin.at), now
		note = clockWasAhead
	case !m.laterOrigin.IsZero() && !now.at.Before(m.laterOrigin): // it may have been right
		m.origin.at, m.laterOrigin = later(m.origin.at, m.laterOrigin), time.Time{}
	case lead > m.clockLag && m.origin.at.Before(now.at):
		m.origin.at = earlier(m.origin.at.Add(lead-m.clockLag), now.at)
		m.clockLag = lead
		note = clockWasBehind
	default:
		return ""
	}
	h.creationDirty = true
	return note
}

// What is logged of the journal's age.
const (
	clockWasBehind = "the clock was behind when the journal was made: jobs that were issued before may have run, and are not taken"
	clockWasAhead  = "the clock was ahead when the journal was made, or is behind now: jobs that were issued before now may have run, and are not taken"
	clockSetBack   = "the clock was set back: the journal is as old as before"
)

// update says by the clock of now what the journal can know. It returns what is to be
// logged.
func (h *horizon) update(now Moment) (note string) {
	h.clock = now
	h.settleNames(now)
	m := &h.creation
	if m.origin.at.IsZero() {
		return ""
	}
	switch at := now.timeOf(m.origin); {
	case at.After(m.origin.at.Add(clockStep)):
		note, m.origin.at, h.creationDirty = clockWasBehind, at, true
	case at.Before(m.origin.at.Add(-clockStep - h.tolerance)):
		m.laterOrigin = later(m.laterOrigin, m.origin.at)
		note, m.origin.at, h.creationDirty = clockSetBack, at, true
		h.repairFuture(now)
	}
	h.Since = knownFrom(m.origin.at, h.tolerance)
	return note
}

// repairFuture takes back what a clock that was ahead has left: a floor that would refuse
// everything until that time has come.
func (h *horizon) repairFuture(now Moment) {
	if h.maxValidity > 0 && h.floor.After(now.at.Add(h.maxValidity+h.tolerance)) {
		h.floor, h.creation.origin, h.creationDirty = now.at, now, true
	}
}

// knownFrom is from when on a journal knows what was issued: a job may have run
// before the journal was made, and yet be issued later by an operator's clock.
// Both times are cut to the millisecond.
func knownFrom(created time.Time, tolerance time.Duration) time.Time {
	return created.Truncate(time.Millisecond).Add(tolerance + time.Millisecond)
}

// A doubt is why a job that is not known may have run all the same.
type doubt int

const (
	noDoubt     doubt = iota // it has not
	beforeTable              // here, before this journal can tell
	onOtherHost              // on another host that had the name before
)

// doubtAbout says whether a job that is not known, of these times, may have run.
func (h *horizon) doubtAbout(r *VerifiedRequest, issuedAt, notAfter time.Time) doubt {
	if issuedAt.Before(h.Since) || !issuedAt.After(h.creation.lastDenied) || !notAfter.After(h.floor) {
		return beforeTable
	}
	if _, why := h.NameTakenAfter(r.Leaf.Host, issuedAt); why != "" && r.mayHaveReachedOthers() {
		return onOtherHost
	}
	return noDoubt
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
