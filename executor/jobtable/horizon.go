package jobtable

import (
	"time"
)

// clockStep is how far the wall clock may move against the time that passed before the age
// of the journal is computed again. NTP adjusts the clock in smaller steps.
const clockStep = time.Second

// A creation is when the journal was created: jobs that were issued earlier may have run.
// The clock may have been wrong at that time. If it was behind, as on a machine without a
// battery before NTP sets the clock, the journal would take jobs that ran before it. If it
// was ahead, the journal would take none for years.
type creation struct {
	origin      Moment        // zero: only Options.KnownSince counts
	laterOrigin time.Time     // a later time that was dropped, since the clock was before it
	clockLag    time.Duration // by which operators' requests showed that the clock was behind

	// lastDenied is the latest issue time of the runs that were not taken because they may
	// have run before. Their operators may have concluded that they never run, so a clock
	// that is set back later must not let them run.
	lastDenied time.Time
}

// A creationRecord is a creation in the journal.
type creationRecord struct {
	instant
	LaterOrigin int64 `json:"later_origin,omitzero"`
	ClockLag    int64 `json:"clock_lag,omitzero"` // ms

	LastDenied int64 `json:"last_denied,omitzero"`
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
	if issuedAt.Before(h.since) {
		if issuedAt.After(h.creation.lastDenied) {
			h.creation.lastDenied, h.creationDirty = issuedAt, true
		}
		return
	}
	if n := h.names.held[name]; n != nil && issuedAt.Before(n.from) && issuedAt.After(n.lastDenied) {
		n.lastDenied, h.namesDirty = issuedAt, true
	}
}

// Start computes the period that the table covers. Call it after the last Replay. Created is
// the time in the journal's file; isNew says that the file is new. The caller logs a note
// that is not empty.
func (t *Table) Start(created time.Time, isNew bool, now Moment) (note string) {
	t.redate(now.at)
	note = t.open(created, isNew, t.operatorClockLead(), now)
	if n := t.SetClock(now); n != "" {
		note = n
	}
	return note
}

// SetClock updates the period that the table covers by the clocks. Call it before each
// decision. The caller logs a note that is not empty.
func (t *Table) SetClock(now Moment) (note string) {
	if note = t.update(now); note == clockSetBack {
		t.redate(now.at)
	}
	return note
}

// SetNames notes that a session holds these names and no others. It returns the new ones,
// unless the agent held none before.
func (t *Table) SetNames(all []string, now Moment) (added []string) {
	first := len(t.names.held) == 0
	t.setNames(all, now)
	t.SetClock(now)
	if first {
		return nil
	}
	return t.newNames(now)
}

// A horizon is how far back the table knows all requests: for all names since the journal
// was created, and for each name since this agent took it.
type horizon struct {
	agent       string // this agent's id now
	tolerance   time.Duration
	maxValidity time.Duration // of a statement; zero: not known

	since    time.Time // jobs issued earlier may have run without being in the table
	floor    time.Time // likewise jobs with a not-after up to this: they may have been forgotten
	creation creation  // since follows from it
	names    names     // that the agent holds
	clock    Moment    // of the last SetClock

	creationDirty, namesDirty bool // the journal does not have them yet
}

// KnownSince returns the first issue time whose jobs the table all knows.
func (h *horizon) KnownSince() time.Time { return h.since }

// open determines the creation time at start. Lead is how far operators' clocks were ahead.
func (h *horizon) open(created time.Time, isNew bool, lead time.Duration, now Moment) (note string) {
	switch {
	case isNew:
		h.creation.origin = now
		h.creationDirty = true
	case h.creation.origin.at.IsZero(): // the agent was killed before it was written
		h.creation.origin.at = created
	}
	h.repairFuture(now)
	if !now.comparable(h.creation.origin) {
		note = h.afterReboot(lead, now)
	}
	return note
}

// afterReboot corrects the creation time of a journal that was created before the last boot,
// or by another process if the system has no boot id.
func (h *horizon) afterReboot(lead time.Duration, now Moment) (note string) {
	m := &h.creation
	switch {
	case now.at.Before(m.origin.at.Add(-h.tolerance)):
		m.laterOrigin, m.origin = later(m.laterOrigin, m.origin.at), now
		note = clockWasAhead
	case !m.laterOrigin.IsZero() && !now.at.Before(m.laterOrigin): // that time may have been right
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

// Notes about the creation time, for the log.
const (
	clockWasBehind = "the clock was behind when the journal was made: jobs that were issued before may have run, and are not taken"
	clockWasAhead  = "the clock was ahead when the journal was made, or is behind now: jobs that were issued before now may have run, and are not taken"
	clockSetBack   = "the clock was set back: the journal is as old as before"
)

// update computes since, and from when each name counts.
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
	h.since = knownFrom(m.origin.at, h.tolerance)
	return note
}

// repairFuture drops a floor that a clock ahead has left, and that would refuse everything
// until that time.
func (h *horizon) repairFuture(now Moment) {
	if h.maxValidity > 0 && h.floor.After(now.at.Add(h.maxValidity+h.tolerance)) {
		h.floor, h.creation.origin, h.creationDirty = now.at, now, true
	}
}

// knownFrom returns the first issue time that is surely later than created: a job that ran
// before may have been issued later by an operator's clock. Times are cut to milliseconds.
func knownFrom(created time.Time, tolerance time.Duration) time.Time {
	return created.Truncate(time.Millisecond).Add(tolerance + time.Millisecond)
}

// A doubt is why a job that is not in the table may have run.
type doubt int

const (
	noDoubt     doubt = iota // it has not run
	beforeTable              // on this host, before the table knows
	onOtherHost              // on another host that held the name before
)

// doubtAbout returns whether a job that is not in the table may have run.
func (h *horizon) doubtAbout(r *VerifiedRequest, issuedAt, notAfter time.Time) doubt {
	if issuedAt.Before(h.since) || !issuedAt.After(h.creation.lastDenied) || !notAfter.After(h.floor) {
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
