package broker

import (
	"sync"
	"time"
)

// A Watch is what one user of a link has seen of it: whether it is up, and whether messages may
// have been lost. A History makes it.
type Watch struct {
	state  *State
	seen   bool // Next has taken the state into account
	up     bool
	failed bool // the broker could not be reached
	ups    int  // how often the link has come up
	last   Change
	late   bool // Next returns last first
}

// A Change says that the link is up or down.
type Change struct {
	Up    bool
	Since time.Time // if Up: when it came up
	Again bool      // if Up: it was up before, or came up after a failure; messages may have been lost
}

// State returns the state that Next has reached.
func (w *Watch) State() *State { return w.state }

// Next returns the next change, and false if there is none yet. The first is how the link is now.
func (w *Watch) Next() (Change, bool) {
	if w.late {
		w.late = false
		return w.last, true
	}
	for w.advance() {
		was, up := w.up, w.state.Phase != Connecting
		w.up = up
		switch {
		case up && !was:
			w.ups++
			w.last = Change{Up: true, Since: w.state.Since, Again: w.ups > 1 || w.failed}
			return w.last, true
		case !up && (was || w.ups == 0):
			w.last = Change{}
			return w.last, true
		}
	}
	return Change{}, false
}

// advance goes to the next state, and reports whether there is one.
func (w *Watch) advance() bool {
	if w.seen {
		select {
		case <-w.state.Changed():
			w.state = w.state.Next()
		default:
			return false
		}
	}
	w.seen = true
	w.failed = w.failed || w.state.Err != nil
	return true
}

// A History follows a link for all who begin to watch it later: each state is looked at once, and
// not kept. Any goroutine may use it.
type History struct {
	mu     sync.Mutex
	newest Watch
}

// NewHistory returns the history of a link from a state on.
func NewHistory(first *State) *History { return &History{newest: Watch{state: first}} }

// Watch returns a watch that begins with the newest state, and knows what came before.
func (h *History) Watch() Watch {
	h.mu.Lock()
	defer h.mu.Unlock()
	for more := true; more; {
		_, more = h.newest.Next()
	}
	w := h.newest
	w.late = true
	return w
}
