package jobtable

import (
	"time"

	"warren/internal/agent/uptime"
)

// A Moment is a point in time by this host's two clocks: the one on the wall, which
// may be wrong and may be set, and the time since the machine was started, which only
// goes on, also while the machine sleeps. Within one start of the machine the latter
// says how long ago a moment was, so that a clock that was wrong then does not count.
type Moment struct {
	at time.Time // on the wall, without Go's own monotonic reading
	uptime.Reading
}

func MomentOf(at time.Time, up uptime.Reading) Moment { return Moment{at.Round(0), up} }

// comparable reports whether both are of one start of the machine.
func (m Moment) comparable(other Moment) bool { return m.Boot == other.Boot && m.Boot != "" }

// since is how much time has passed between then and m.
func (m Moment) since(then Moment) time.Duration {
	if m.comparable(then) {
		return m.Up - then.Up
	}
	return m.at.Sub(then.at)
}

// timeOf is the time on the wall at an earlier moment, as far as the clock of m tells.
func (m Moment) timeOf(then Moment) time.Time {
	if m.comparable(then) {
		return m.at.Add(then.Up - m.Up)
	}
	return then.at
}

// An instant is a moment as the journal has it, in milliseconds.
type instant struct {
	At   int64  `json:"at"`
	Boot string `json:"boot,omitzero"`
	Up   int64  `json:"up,omitzero"`
}

func (m Moment) instant() instant { return instant{m.at.UnixMilli(), m.Boot, m.Up.Milliseconds()} }

func (s instant) moment() Moment {
	return Moment{time.UnixMilli(s.At), uptime.Reading{Boot: s.Boot, Up: time.Duration(s.Up) * time.Millisecond}}
}
