// Package stats counts what an agent has done since its start. It is pure state, which the
// agent's loop owns; others get copies.
package stats

import (
	"maps"
	"slices"
	"time"

	"warren/internal/wire"
)

// kept is how many refusals and clock offsets are remembered.
const kept = 10

// A Reason is why an agent refused a request.
type Reason string

const (
	Malformed       Reason = "malformed"         // not a request, or for another host
	Unauthenticated Reason = "unauthenticated"   // no operator of this host has signed it
	OtherFleet      Reason = "other_fleet"       // an operator of this host signed it for another fleet
	OutsideValidity Reason = "outside_validity"  // too old, too early, or valid for too long
	NotPermitted    Reason = "not_permitted"     // the operator's line does not permit it
	OtherOperator   Reason = "other_operator"    // the job belongs to another operator
	Unsupported     Reason = "unsupported"       // this host cannot do what it asks for
	Duplicate       Reason = "duplicate"         // the host has another job of the same task
	IssuedInFuture  Reason = "issued_in_future"  // by this host's clock
	QueueFull       Reason = "queue_full"        // too many jobs wait
	JournalFull     Reason = "journal_full"      // too many jobs are remembered
	MayHaveRun      Reason = "may_have_run"      // the journal does not show whether the job has run
	NoLongerAllowed Reason = "no_longer_allowed" // the operator lost the right while the job waited
)

// Reasons are all reasons, in the order of their declaration.
var Reasons = []Reason{
	Malformed, Unauthenticated, OtherFleet, OutsideValidity, NotPermitted, OtherOperator, Unsupported,
	Duplicate, IssuedInFuture, QueueFull, JournalFull, MayHaveRun, NoLongerAllowed,
}

// A Refusal is a request that was refused.
type Refusal struct {
	At          time.Time
	Reason      Reason
	Type        string // of the request; empty if it is malformed, as the next two
	Task, Job   string
	Operator    string // without a verified signature, this and the fingerprint are empty
	Fingerprint string
	Detail      string
}

// A ClockOffset compares an operator's clock with this host's.
type ClockOffset struct {
	At time.Time // when the request arrived
	// Offset is the request's issue time minus the time of its arrival. The time that the
	// request travels makes it smaller, so the greatest of several offsets is the most exact.
	Offset time.Duration
}

// Stats are the counters of one agent. The zero value is ready for use.
type Stats struct {
	Sessions int // with the broker
	Ended    map[wire.Outcome]int
	Refused  map[Reason]int
	Syncs    Histogram

	LastRefusals []Refusal     // oldest first
	ClockOffsets []ClockOffset // of the last requests that an operator had signed, oldest first
}

// CountEnd counts a job that has ended.
func (s *Stats) CountEnd(o wire.Outcome) {
	if s.Ended == nil {
		s.Ended = map[wire.Outcome]int{}
	}
	s.Ended[o]++
}

// CountRefusal counts and remembers a refused request.
func (s *Stats) CountRefusal(r Refusal) {
	if s.Refused == nil {
		s.Refused = map[Reason]int{}
	}
	s.Refused[r.Reason]++
	s.LastRefusals = appendKept(s.LastRefusals, r)
}

// NoteClock remembers when an operator issued a request that arrived now.
func (s *Stats) NoteClock(issuedAt, now time.Time) {
	s.ClockOffsets = appendKept(s.ClockOffsets, ClockOffset{At: now, Offset: issuedAt.Sub(now)})
}

// Clone returns a copy that shares nothing with s.
func (s *Stats) Clone() Stats {
	c := *s
	c.Ended, c.Refused = maps.Clone(s.Ended), maps.Clone(s.Refused)
	c.LastRefusals, c.ClockOffsets = slices.Clone(s.LastRefusals), slices.Clone(s.ClockOffsets)
	return c
}

// BestClockOffset returns the greatest of the remembered offsets. It reports false if there is
// none.
func (s *Stats) BestClockOffset() (best time.Duration, ok bool) {
	for i, o := range s.ClockOffsets {
		if i == 0 || o.Offset > best {
			best = o.Offset
		}
	}
	return best, len(s.ClockOffsets) > 0
}

// appendKept appends v, and drops the oldest element above kept.
func appendKept[T any](list []T, v T) []T {
	if len(list) == kept {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, v)
}
