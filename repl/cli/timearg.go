package cli

import "time"

// A TimeArg is a time ago, or a date.
type TimeArg struct {
	ago time.Duration
	at  time.Time
}

func (m *TimeArg) UnmarshalText(text []byte) error {
	s := string(text)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			*m = TimeArg{at: at}
			return nil
		}
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return Usage("as in 90s, 2h30m, 30d, 2026-01-31 or 2026-01-31T12:00:00Z", "%q is neither a time ago nor a date", s)
	}
	*m = TimeArg{ago: time.Duration(d)}
	return nil
}

// Before is the moment as a time, zero where none was given.
func (m TimeArg) Before(now time.Time) time.Time {
	if m.ago > 0 {
		return now.Add(-m.ago)
	}
	return m.at
}
