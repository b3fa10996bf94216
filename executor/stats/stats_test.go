package stats

import (
	"testing"
	"time"

	"warren/internal/wire"
)

func TestCloneSharesNothing(t *testing.T) {
	var s Stats
	now := time.UnixMilli(1_000_000)
	s.CountEnd(wire.Exited)
	s.CountRefusal(Refusal{Reason: Duplicate, Detail: "first"})
	s.NoteClock(now, now)
	c := s.Clone()
	s.CountEnd(wire.Exited)
	s.CountRefusal(Refusal{Reason: Duplicate})
	s.LastRefusals[0].Detail = "changed"
	s.ClockOffsets[0].Offset = time.Hour
	if c.Ended[wire.Exited] != 1 || c.Refused[Duplicate] != 1 || len(c.LastRefusals) != 1 || c.LastRefusals[0].Detail != "first" || c.ClockOffsets[0].Offset != 0 {
		t.Errorf("the copy changed: %+v", c)
	}
}

func TestOnlyLatestRefusalsAreKept(t *testing.T) {
	var s Stats
	for i := range 3 * kept {
		s.CountRefusal(Refusal{Reason: NotPermitted, At: time.UnixMilli(int64(i))})
	}
	if s.Refused[NotPermitted] != 3*kept || len(s.LastRefusals) != kept {
		t.Fatalf("%d counted, %d kept", s.Refused[NotPermitted], len(s.LastRefusals))
	}
	if first, last := s.LastRefusals[0].At, s.LastRefusals[kept-1].At; first.UnixMilli() != 2*kept || last.UnixMilli() != 3*kept-1 {
		t.Errorf("kept from %v to %v", first, last)
	}
}

// A request that waited on its way arrives later and has a smaller offset, so the greatest
// offset is nearest to the difference of the clocks.
func TestBestClockOffsetIsGreatest(t *testing.T) {
	var s Stats
	if _, ok := s.BestClockOffset(); ok {
		t.Error("an offset without a request")
	}
	now := time.UnixMilli(1_000_000)
	for _, offset := range []time.Duration{-90 * time.Second, -20 * time.Millisecond, -3 * time.Second} {
		s.NoteClock(now.Add(offset), now)
	}
	if best, ok := s.BestClockOffset(); !ok || best != -20*time.Millisecond {
		t.Errorf("%v, %v", best, ok)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Hour} {
		h.Add(d)
	}
	if h.Buckets[0] != 2 || h.Buckets[1] != 1 || h.Buckets[len(Bounds)] != 1 || h.Count() != 4 || h.Max != time.Hour || h.Sum != time.Hour+2*time.Millisecond+1 {
		t.Errorf("%+v", h)
	}
}
