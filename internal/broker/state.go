package broker

import (
	"sync/atomic"
	"time"
)

// A Phase is the condition of a link.
type Phase string

// The phases.
const (
	Connecting Phase = "connecting" // no connection, or its topology is not declared yet
	Up         Phase = "up"         // the session is ready
	Blocked    Phase = "blocked"    // ready, but the broker accepts no messages: it is short of memory or disk space
)

// A State is a snapshot of a link. Its fields never change. States form a list that
// grows at its end, and any number of goroutines may walk it:
//
//	for s := link.State(); ; s = s.Next() {
//		show(s)
//		select {
//		case <-s.Changed():
//		case <-ctx.Done():
//			return
//		}
//	}
type State struct {
	Phase Phase
	Since time.Time // when this phase began
	URL   string    // of the broker last tried, without the password; empty before the first try
	// Err is, while Connecting, why there is no link (nil before the first failure);
	// while Blocked, the broker's reason.
	Err error

	changed chan struct{} // the link closes it after it has set next
	next    *State
}

// Changed is closed when a newer state exists.
func (s *State) Changed() <-chan struct{} { return s.changed }

// Next returns the state after this one. Call it only after Changed is closed.
func (s *State) Next() *State {
	select {
	case <-s.changed:
		return s.next
	default:
		panic("broker: State.Next before Changed")
	}
}

// Latest returns the newest state, which is this one if nothing has changed.
func (s *State) Latest() *State {
	for {
		select {
		case <-s.changed:
			s = s.next
		default:
			return s
		}
	}
}

// A stateList is where a link publishes its states. Only the goroutine of Run appends;
// any goroutine may ask for the latest. The states never change, so only the pointer to
// the newest is shared.
type stateList struct{ last atomic.Pointer[State] }

func newStateList() *stateList {
	l := new(stateList)
	l.last.Store(&State{Phase: Connecting, Since: time.Now(), changed: make(chan struct{})})
	return l
}

func (l *stateList) latest() *State { return l.last.Load() }

func (l *stateList) append(s *State) {
	old := l.last.Load()
	old.next = s
	l.last.Store(s)
	close(old.changed)
}
