package executor

import "time"

// flushTimeout is how long an agent that stops tries to deliver its last replies.
const flushTimeout = 5 * time.Second

// A shutdownState is how far an agent has stopped. It never goes back.
type shutdownState int

const (
	serving  shutdownState = iota // requests are taken
	draining                      // no command starts; those that run may end
	killing                       // they are being killed
	flushing                      // none runs; replies go out
	stopped                       // the agent may leave
)

// shutdown is the state of stopping, without timer or channel.
type shutdown struct {
	state    shutdownState
	deadline time.Time // of the state; zero for none
}

// begin stops taking work. Commands may run until the deadline.
func (s *shutdown) begin(deadline time.Time) { s.state, s.deadline = draining, deadline }

// advance moves on as far as it can by now, with so many commands running, and idle if
// nothing is left to write or to deliver.
func (s *shutdown) advance(now time.Time, running int, idle bool) {
	expired := !s.deadline.IsZero() && !now.Before(s.deadline)
	switch {
	case s.state == serving:
	case s.state < flushing && running == 0:
		s.state, s.deadline = flushing, now.Add(flushTimeout)
		s.advance(now, running, idle)
	case s.state == draining && expired:
		s.state, s.deadline = killing, time.Time{}
	case s.state == flushing && (idle || expired):
		s.state = stopped
	}
}
