package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"warren/internal/wire"
)

const (
	// maxAgents bounds the agents that are remembered, and those that may answer
	// one discover: five times the fleet that one process is made for.
	maxAgents = 50_000

	// agentsSlack is by how much a process may exceed that.
	agentsSlack = 500

	// maxRolls bounds the discovers whose answers still count.
	maxRolls = 16

	// rollBytes bounds the answers to one discover: 50,000 honest ones have 30 to 50
	// MiB.
	rollBytes = 64 << 20

	// loginAgents and loginBytes are what one of the broker's logins may bring of
	// that. A whole fleet may share one; a fleet where each agent has its own keeps
	// room for the others, whatever one of them sends.
	loginAgents = maxAgents / 2
	loginBytes  = rollBytes / 4

	// agentsBytes bounds what is remembered of all agents.
	agentsBytes = 2 * rollBytes

	// maxRivals is as far as those are counted that answer by the same id.
	maxRivals = 9
)

// ErrSurplus says that a hello was not stored: there were too many, or it is not
// its agent's.
var ErrSurplus = errors.New("too many agents have answered a question to all")

// A roll is who has answered one discover. Agents are not signed: whoever knows
// the discover may answer it, and by any id. But the broker vouches for the login.
type roll struct {
	until  time.Time
	said   map[string]*self  // by agent
	bytes  int               // of all hellos that are stored
	logins map[string]*share // by login; "" is those for whom nobody vouches
}

// A share is what one login has brought of a roll.
type share struct{ agents, bytes int }

// take counts a hello of size bytes, or says why there is no room for it.
func (r *roll) take(login string, size int) error {
	s := r.logins[login]
	if s == nil {
		s = &share{}
		r.logins[login] = s
	}
	switch {
	case s.agents >= loginAgents || s.bytes+size > loginBytes:
		return fmt.Errorf("%w: the broker's login %q has answered for %d agents with %d bytes", ErrSurplus, login, s.agents, s.bytes)
	case len(r.said) >= maxAgents || r.bytes+size > rollBytes:
		return fmt.Errorf("%w: %d agents with %d bytes", ErrSurplus, len(r.said), r.bytes)
	}
	s.agents, s.bytes, r.bytes = s.agents+1, s.bytes+size, r.bytes+size
	return nil
}

// A self is who the first that answered by an id said it is.
type self struct {
	identity  identity
	rivals    int  // others that have answered by the same id
	twoLogins bool // one of them by another login
}

// An identity is what one agent says of itself for as long as it lives, and what
// another does not know.
type identity struct {
	hostname, os, arch string
	started            int64
	login              string // which it cannot choose
}

func identityOf(h *wire.Hello, login string) identity {
	return identity{h.Facts.Hostname, h.Facts.OS, h.Facts.Arch, h.Facts.StartedAt, login}
}

// expect makes the answers to a discover count until a time.
func (a *actor) expect(discover string, now, until time.Time) {
	oldest := ""
	for id, r := range a.rolls {
		if !now.Before(r.until) {
			delete(a.rolls, id)
		} else if oldest == "" || r.until.Before(a.rolls[oldest].until) {
			oldest = id
		}
	}
	if len(a.rolls) >= maxRolls {
		delete(a.rolls, oldest)
	}
	a.rolls[discover] = &roll{until: until, said: map[string]*self{}, logins: map[string]*share{}}
}

// sawAgent stores the first answer of each agent to a discover that was sent
// here. A second one by the same id that is another's is counted: of two that
// use one name, neither is to be believed quietly, and less so where they log in to
// the broker as two. The error is ErrSurplus where there is no room for it.
func (a *actor) sawAgent(discover string, h *wire.Hello, login string, seen time.Time) error {
	r := a.rolls[discover]
	if r == nil || !seen.Before(r.until) {
		a.counts.Unknown++
		return nil
	}
	s, known := r.said[h.Agent]
	switch {
	case !known:
		return a.newAnswer(r, h, login, seen)
	case s.identity == identityOf(h, login):
		a.counts.Repeated++
		return nil
	}
	a.counts.Conflicts++
	two := s.identity.login != login
	if s.rivals == maxRivals && (s.twoLogins || !two) {
		return nil
	}
	rivals, twoLogins := min(s.rivals+1, maxRivals), s.twoLogins || two
	if err := a.tx.do(func() error { return a.tx.setRivals(h.Agent, rivals, twoLogins, seen) }); err != nil {
		return err
	}
	s.rivals, s.twoLogins = rivals, twoLogins
	return nil
}

func (a *actor) newAnswer(r *roll, h *wire.Hello, login string, seen time.Time) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := r.take(login, len(text)); err != nil {
		a.counts.Foreign++
		return err
	}
	if err := a.storeAgent(h.Agent, string(text), seen); err != nil {
		return err
	}
	r.said[h.Agent] = &self{identity: identityOf(h, login)}
	return nil
}

// storeAgent stores what an agent says, and lets go of those that have been
// silent for longest where they are too many.
func (a *actor) storeAgent(id, hello string, seen time.Time) error {
	created := false
	err := a.tx.do(func() (err error) {
		created, err = a.tx.saveAgent(id, hello, seen)
		return err
	})
	if err != nil || !created {
		return err
	}
	// Counting is dear, so it is done for many at once.
	if a.created++; a.created%agentsSlack != 1 {
		return nil
	}
	return a.tx.forgetAgents(maxAgents, agentsBytes)
}
