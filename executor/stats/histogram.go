package stats

import "time"

// Bounds are the upper bounds of the histogram's buckets. Above the last is one more bucket.
var Bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second,
}

// A Histogram counts durations. The zero value is empty.
type Histogram struct {
	Buckets [len(Bounds) + 1]int // not cumulative
	Sum     time.Duration
	Max     time.Duration
}

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.Buckets[i]++
	h.Sum += d
	h.Max = max(h.Max, d)
}

// Count returns how many durations were added.
func (h *Histogram) Count() (n int) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}
