package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A late watch knows what an early one knows.
func TestLateWatchKnowsWhatCameBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		list := newStateList()
		history, first := NewHistory(list.latest()), Watch{state: list.latest()}
		var last Change
		for range random.IntN(12) {
			s := &State{Phase: []Phase{Connecting, Up, Blocked}[random.IntN(3)], Since: time.Unix(random.Int64N(99), 0), changed: make(chan struct{})}
			if s.Phase == Connecting && random.IntN(2) == 0 || s.Phase == Blocked {
				s.Err = errors.New("refused, or short of memory")
			}
			list.append(s)
			if random.IntN(3) == 0 {
				history.Watch()
			}
		}
		for {
			c, more := first.Next()
			if !more {
				break
			}
			last = c
		}
		late := history.Watch()
		c, told := late.Next()
		if !told || c != last || late.State() != list.latest() {
			t.Fatalf("%+v, %v, want %+v", c, told, last)
		}
		if c, more := late.Next(); more {
			t.Fatalf("one more: %+v", c)
		}
		list.append(&State{Phase: Connecting, changed: make(chan struct{})})
		list.append(&State{Phase: Up, Since: time.Unix(100, 0), changed: make(chan struct{})})
		if a, b := rest(&first), rest(&late); a != b {
			t.Fatalf("afterwards %s, want %s", b, a)
		}
	}
}

func rest(w *Watch) string {
	var all []Change
	for {
		c, more := w.Next()
		if !more {
			return fmt.Sprintf("%+v", all)
		}
		all = append(all, c)
	}
}

// A history keeps no state that is not the newest.
func TestHistoryKeepsTheNewestStateOnly(t *testing.T) {
	list := newStateList()
	history := NewHistory(list.latest())
	for range 3 {
		list.append(&State{Phase: Up, changed: make(chan struct{})})
	}
	if w := history.Watch(); w.State() != list.latest() || history.newest.state != list.latest() {
		t.Error("an older state is kept")
	}
}

// An outage of weeks is one state.
func TestRepeatedFailureIsNoNewState(t *testing.T) {
	r := linkRun{states: newStateList()}
	for range 3 {
		r.set(Connecting, errors.New("refused"), "amqp://a")
	}
	before := r.states.latest()
	r.set(Connecting, errors.New("refused"), "")
	if r.states.latest() != before {
		t.Error("the same failure is a new state")
	}
	r.set(Connecting, errors.New("no such host"), "")
	if s := r.states.latest(); s == before || s.Err.Error() != "no such host" {
		t.Error("another failure is no new state")
	}
}
