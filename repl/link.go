package repl

import (
	"errors"
	"fmt"
	"io"
	"time"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/hint"
	"warren/internal/translate"
	"warren/repl/term"
)

// A linkNotices prints each change of the link to the broker once. It prints nothing about
// a link that comes up at the start and stays up.
type linkNotices struct {
	phase   broker.Phase // last printed or seen; "" before the first
	since   time.Time    // when the link last came up
	wasUp   bool
	refused bool // a notice has said that the broker refuses the login
}

// print writes what has changed since the last call.
func (t *linkNotices) print(state *broker.State, lang *translate.Language, w io.Writer) {
	if state == nil {
		return
	}
	before := *t
	text := t.next(state)
	if text == "" {
		return
	}
	fmt.Fprintln(w, term.Line(lang.Sprintf("broker: %s", lang.Text(text))))
	if !before.wasUp || t.refused || errors.Is(state.Err, broker.ErrLost) {
		for _, h := range hint.Of(state.Err) {
			fmt.Fprintln(w, term.Line(lang.Sprintf("hint: %s", h)))
		}
	}
}

// next takes the state in and returns what to say of it; "" is nothing.
func (t *linkNotices) next(state *broker.State) string {
	before := *t
	t.phase = state.Phase
	switch state.Phase {
	case broker.Connecting:
		refused := errors.Is(state.Err, dial.ErrAccessRefused) || errors.Is(state.Err, dial.ErrVhost)
		t.refused = before.refused || refused
		switch {
		case refused && !before.refused:
			return "cannot connect" + because(state.Err) + ", trying again"
		case before.phase == broker.Connecting:
			return ""
		case before.wasUp:
			return "connection lost" + because(state.Err) + ", trying again"
		case state.Err == nil:
			t.phase = "" // the first try is still under way
			return ""
		}
		return "cannot connect" + because(state.Err) + ", trying again"
	case broker.Blocked:
		t.wasUp = true
		if before.phase != broker.Blocked {
			return "accepts no messages now" + because(state.Err) + "; requests wait"
		}
	case broker.Up:
		t.wasUp, t.refused, t.since = true, false, state.Since
		switch {
		case before.phase == broker.Connecting:
			return "connected"
		case before.phase == broker.Blocked:
			return "accepts messages again"
		case before.wasUp && !state.Since.Equal(before.since):
			return "the connection was lost and restored"
		}
	}
	return ""
}

// because is the error's text in brackets.
func because(err error) string {
	if err == nil || err.Error() == "" {
		return ""
	}
	return " (" + err.Error() + ")"
}
