package executor

import "time"

// flushTimeout is how long a stopping agent tries to deliver its last replies.
const flushTimeout = 5 * time.Second

// A shutdownState is a step of stopping. It never goes back.
type shutdownState int

const (
	serving  shutdownState = iota // jobs begin
	draining                      // no job begins; running commands may end
	killing                       // running commands are being killed
	flushing                      // no command runs; replies go out
	stopped                       // the agent may end
)

// shutdown is the state of stopping: pure state, without timer or channel.
type shutdown struct {
	state    shutdownState
	deadline time.Time // of the state; zero for none
}

// begin leaves serving. Commands may run until the deadline.
func (s *shutdown) begin(deadline time.Time) { s.state, s.deadline = draining, deadline }

// advance changes the state if it is time. Running is the number of commands; idle says that
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
