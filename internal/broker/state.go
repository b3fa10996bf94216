package broker

import "time"

// A Phase is how a link stands.
type Phase string

// The phases.
const (
	Connecting Phase = "connecting" // no connection, or its topology is not declared yet
	Up         Phase = "up"         // the session is ready
	Blocked    Phase = "blocked"    // ready, but the broker takes no messages: it is short of memory or disk space
)

// A State is a snapshot of a link. Its fields never change; states form a list
// that grows at its end, and any number of goroutines may walk it:
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
	// Err is, while Connecting, why there is no link (nil before the first
	// failure); with Blocked, the broker's reason.
	Err error

	changed chan struct{} // closed by the link once next is set
	next    *State
}

// Changed is closed when a newer state exists.
func (s *State) Changed() <-chan struct{} { return s.changed }

// Next returns the state after this one; only once Changed is closed.
func (s *State) Next() *State {
	select {
	case <-s.changed:
		return s.next
	default:
		panic("broker: State.Next before Changed")
	}
}

// Latest returns the newest state, this one if nothing has changed.
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
