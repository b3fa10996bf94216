package broker

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// settled is how long a link must have been up for its loss to be a new
// misfortune rather than the old one going on.
const settled = 10 * time.Second

// A schedule decides which URL is tried next and when. It is pure state.
type schedule struct {
	urls    int
	at      int // index of the URL to try
	missed  int // URLs in a row that gave no link
	backOff *backoff.ExponentialBackOff
}

// newSchedule makes pauses that begin at about 250 ms and double up to 15 s. An
// interval is drawn from half to one and a half of its nominal length, so that
// a fleet which lost its broker at one moment does not come back at one moment.
func newSchedule(urls int) schedule {
	b := &backoff.ExponentialBackOff{
		InitialInterval:     250 * time.Millisecond,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         10 * time.Second,
	}
	b.Reset()
	return schedule{urls: urls, backOff: b}
}

// after takes how long the URL just tried had the link up (0: not at all) and
// returns the pause before the next try; 0 means to go on to the next URL.
func (s *schedule) after(up time.Duration) time.Duration {
	if up >= settled {
		s.backOff.Reset()
	}
	if up > 0 {
		// The same URL again: it was good, and most losses are short.
		s.missed = 0
		return s.pause()
	}
	s.at = (s.at + 1) % s.urls
	s.missed++
	if s.missed < s.urls {
		return 0
	}
	s.missed = 0
	return s.pause()
}

func (s *schedule) pause() time.Duration { return max(s.backOff.NextBackOff(), 1) }
