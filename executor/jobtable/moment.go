package jobtable

import (
	"time"

	"warren/internal/agent/uptime"
)

// A Moment is a point in time by this host's two clocks: the wall clock, which may be wrong
// and may be set, and the time since boot, which runs on even while the machine sleeps.
// Within one boot, the latter says how long ago a moment was, whatever the wall clock said.
type Moment struct {
	at time.Time // wall clock, without Go's monotonic reading
	uptime.Reading
}

// MomentOf returns the moment of two readings.
func MomentOf(at time.Time, up uptime.Reading) Moment { return Moment{at.Round(0), up} }

// comparable reports whether both moments are of the same boot.
func (m Moment) comparable(other Moment) bool { return m.Boot == other.Boot && m.Boot != "" }

// since returns how much time passed between then and m.
func (m Moment) since(then Moment) time.Duration {
	if m.comparable(then) {
		return m.Up - then.Up
	}
	return m.at.Sub(then.at)
}

// timeOf returns the time of an earlier moment by the wall clock of m.
func (m Moment) timeOf(then Moment) time.Time {
	if m.comparable(then) {
		return m.at.Add(then.Up - m.Up)
	}
	return then.at
}

// An instant is a Moment in the journal, in milliseconds.
type instant struct {
	At   int64  `json:"at"`
	Boot string `json:"boot,omitzero"`
	Up   int64  `json:"up,omitzero"`
}

func (m Moment) instant() instant { return instant{m.at.UnixMilli(), m.Boot, m.Up.Milliseconds()} }

func (s instant) moment() Moment {
	return Moment{time.UnixMilli(s.At), uptime.Reading{Boot: s.Boot, Up: time.Duration(s.Up) * time.Millisecond}}
}
