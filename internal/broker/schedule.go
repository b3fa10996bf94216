package broker

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// resetInterval is how long a link must have been up before its loss counts as a new
// outage, after which the delays begin small again.
const resetInterval = 10 * time.Second

// A schedule decides which URL is tried next, and when. It is pure state.
type schedule struct {
	urls    int
	next    int // index of the URL to try
	failed  int // URLs in a row that gave no link
	backOff *backoff.ExponentialBackOff
}

// newSchedule begins with delays of about 250 ms and doubles them up to 10 s. Each delay
// is drawn from half to one and a half of that, so that a fleet that lost its broker at
// one moment does not come back at one moment.
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

// after takes how long the link of the URL just tried was up (0: not at all) and returns
// the delay before the next try. 0 means to try the next URL at once.
func (s *schedule) after(up time.Duration) time.Duration {
	if up >= resetInterval {
		s.backOff.Reset()
	}
	if up > 0 {
		// The same URL again: it worked, and most losses are short.
		s.failed = 0
		return s.delay()
	}
	s.next = (s.next + 1) % s.urls
	s.failed++
	if s.failed < s.urls {
		return 0
	}
	s.failed = 0
	return s.delay()
}

func (s *schedule) delay() time.Duration { return max(s.backOff.NextBackOff(), 1) }
