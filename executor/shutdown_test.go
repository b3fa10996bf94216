package executor

import (
	"testing"
	"time"
)

func TestShutdownGoesThroughItsStates(t *testing.T) {
	now := time.Now()
	const grace = 10 * time.Second
	type step struct {
		after   time.Duration // the beginning
		running int
		idle    bool
		want    shutdownState
	}
	for name, steps := range map[string][]step{
		"nothing runs, nothing to send": {{0, 0, true, stopped}},
		"replies go out": {
			{0, 0, false, flushing},
			{flushTimeout - 1, 0, false, flushing},
			{flushTimeout - 1, 0, true, stopped},
		},
		"no broker": {{0, 0, false, flushing}, {flushTimeout, 0, false, stopped}},
		"commands end in time": {
			{0, 2, true, draining},
			{grace - 1, 1, true, draining},
			{grace - 1, 0, false, flushing},
			{grace - 1 + flushTimeout, 0, false, stopped},
		},
		"commands are killed": {
			{0, 1, true, draining},
			{grace, 1, true, killing},
			{time.Hour, 1, true, killing},
			{time.Hour, 0, true, stopped},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s shutdown
			if s.advance(now, 0, true); s.state != serving {
				t.Fatalf("state %d before it begins", s.state)
			}
			s.begin(now.Add(grace))
			for _, c := range steps {
				if s.advance(now.Add(c.after), c.running, c.idle); s.state != c.want {
					t.Fatalf("after %s with %d running: state %d, want %d", c.after, c.running, s.state, c.want)
				}
			}
		})
	}
}
