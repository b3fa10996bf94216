package results

import (
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

	// maxRivals is as far as those are counted that answer by the same id.
	maxRivals = 9
)

// A roll is who has answered one discover. Agents are not signed: whoever knows
// the discover may answer it, and by any id.
type roll struct {
	until time.Time
	said  map[string]*self // by agent
}

// A self is who the first that answered by an id said it is.
type self struct {
	identity identity
	rivals   int // others that have answered by the same id
}

// An identity is what one agent says of itself for as long as it lives, and what
// another does not know.
type identity struct {
	hostname, os, arch string
	started            int64
}

func identityOf(h *wire.Hello) identity {
	return identity{h.Facts.Hostname, h.Facts.OS, h.Facts.Arch, h.Facts.StartedAt}
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
	a.rolls[discover] = &roll{until: until, said: map[string]*self{}}
}

// sawAgent stores the first answer of each agent to a discover that was sent
// here. A second one by the same id that is another's is counted: of two that
// use one name, neither is to be believed quietly.
func (a *actor) sawAgent(discover string, h *wire.Hello, seen time.Time) error {
	r := a.rolls[discover]
	if r == nil || !seen.Before(r.until) {
		a.counts.Unknown++
		return nil
	}
	s, known := r.said[h.Agent]
	switch {
	case !known && len(r.said) >= maxAgents:
		a.counts.Foreign++
		return nil
	case !known:
		s = &self{identity: identityOf(h)}
		if err := a.storeAgent(h, seen); err != nil {
			return err
		}
		r.said[h.Agent] = s
		return nil
	case s.identity == identityOf(h):
		a.counts.Repeated++
		return nil
	}
	a.counts.Conflicts++
	if s.rivals == maxRivals {
		return nil
	}
	if err := a.tx.do(func() error { return a.tx.setRivals(h.Agent, s.rivals+1) }); err != nil {
		return err
	}
	s.rivals++
	return nil
}

// storeAgent stores what an agent says, and lets go of those that have been
// silent for longest where they are too many.
func (a *actor) storeAgent(h *wire.Hello, seen time.Time) error {
	created := false
	err := a.tx.do(func() (err error) {
		created, err = a.tx.saveAgent(h, seen)
		return err
	})
	if err != nil || !created {
		return err
	}
	// Counting is dear, so it is done for many at once.
	if a.created++; a.created%agentsSlack != 1 {
		return nil
	}
	return a.tx.forgetAgents(maxAgents)
}
