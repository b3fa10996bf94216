package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"warren/internal/operator/results/merge"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

const (
	// maxAgents bounds the agents that are remembered, and those that may answer one
	// discover: five times the fleet that one process is made for.
	maxAgents = 50_000

	// agentsSlack is by how much a process may exceed maxAgents.
	agentsSlack = 500

	// maxRounds bounds the discovers whose answers still count.
	maxRounds = 16

	// roundBytes bounds the answers to one discover: 50,000 honest ones have 30 to 50 MiB.
	roundBytes = 64 << 20

	// loginAgents and loginBytes are what one login at the broker may send of that. A whole
	// fleet may share a login. In a fleet where each agent has its own, no login can take
	// the room of the others.
	loginAgents = maxAgents / 2
	loginBytes  = roundBytes / 4

	// agentsBytes bounds what is remembered of all agents.
	agentsBytes = 2 * roundBytes

	// maxDuplicates is how far agents with the same id are counted.
	maxDuplicates = 9
)

// ErrSurplus says that a hello was not stored: there were too many, or it is not its
// agent's.
var ErrSurplus = errors.New("too many agents have answered a question to all")

// A discoverRound records the answers to one discover request. Agents do not sign their
// answers: any client that has seen the request can answer it, with any id. But the broker
// vouches for the login.
type discoverRound struct {
	until      time.Time
	responders map[string]*responder // by agent
	bytes      int                   // of all hellos that are stored
	logins     map[string]*share     // by login; "" is for senders for which the broker does not vouch
}

// A share is what one login has sent of a round.
type share struct{ agents, bytes int }

// take counts a hello of size bytes, or returns why there is no room for it.
func (r *discoverRound) take(login string, size int) error {
	s := r.logins[login]
	if s == nil {
		s = &share{}
		r.logins[login] = s
	}
	switch {
	case s.agents >= loginAgents || s.bytes+size > loginBytes:
		return fmt.Errorf("%w: the broker's login %q has answered for %d agents with %d bytes", ErrSurplus, login, s.agents, s.bytes)
	case len(r.responders) >= maxAgents || r.bytes+size > roundBytes:
		return fmt.Errorf("%w: %d agents with %d bytes", ErrSurplus, len(r.responders), r.bytes)
	}
	s.agents, s.bytes, r.bytes = s.agents+1, s.bytes+size, r.bytes+size
	return nil
}

// A responder is the first agent that answered with an id.
type responder struct {
	identity   identity
	duplicates int  // others that have answered with the same id
	twoLogins  bool // one of them has another login
}

// An identity is what an agent says about itself as long as it lives. Another agent does
// not know it.
type identity struct {
	hostname, os, arch string
	started            int64
	login              string // the agent cannot choose it
}

func identityOf(h *wire.Hello, login string) identity {
	return identity{h.Facts.Hostname, h.Facts.OS, h.Facts.Arch, h.Facts.StartedAt, login}
}

// discoverRounds are the discovers of this process whose answers still count, by id.
type discoverRounds map[string]*discoverRound

// expect makes the answers to a discover count until a time.
func (rs discoverRounds) expect(discover string, now, until time.Time) {
	oldest := ""
	for id, r := range rs {
		if !now.Before(r.until) {
			delete(rs, id)
		} else if oldest == "" || r.until.Before(rs[oldest].until) {
			oldest = id
		}
	}
	if len(rs) >= maxRounds {
		delete(rs, oldest)
	}
	rs[discover] = &discoverRound{until: until, responders: map[string]*responder{}, logins: map[string]*share{}}
}

// sawAgent stores the first answer of each agent to a discover that was sent here. A later
// answer with the same id from another agent is counted: readers must know that two agents
// use one id, and more so if they have two logins at the broker. The error is ErrSurplus if
// there is no room for the answer.
func (a *actor) sawAgent(discover string, h *wire.Hello, login string, seen time.Time) error {
	r := a.rounds[discover]
	if r == nil || !seen.Before(r.until) {
		a.counts.Unknown++
		return nil
	}
	first := r.responders[h.Agent]
	switch {
	case first == nil:
		return a.newAnswer(r, h, login, seen)
	case first.identity == identityOf(h, login):
		a.counts.Repeated++
		return nil
	}
	a.counts.Conflicts++
	duplicates, twoLogins := min(first.duplicates+1, maxDuplicates), first.twoLogins || first.identity.login != login
	if duplicates == first.duplicates && twoLogins == first.twoLogins {
		return nil
	}
	err := a.db.Do(func(tx *sqlite.Tx) error {
		return tx.SetDuplicates(h.Agent, duplicates, twoLogins, merge.Milliseconds(seen))
	})
	if err == nil {
		first.duplicates, first.twoLogins = duplicates, twoLogins
	}
	return err
}

func (a *actor) newAnswer(r *discoverRound, h *wire.Hello, login string, seen time.Time) error {
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
	r.responders[h.Agent] = &responder{identity: identityOf(h, login)}
	return nil
}

// storeAgent stores an agent's answer. If there are too many agents, it forgets those that
// answered longest ago.
func (a *actor) storeAgent(id, hello string, seen time.Time) error {
	created := false
	err := a.db.Do(func(tx *sqlite.Tx) (err error) {
		created, err = tx.SaveAgent(id, hello, merge.Milliseconds(seen))
		return err
	})
	err = sqlite.Explain(a.path, err)
	noteWrite(a, err)
	if err != nil || !created {
		return err
	}
	// Counting takes long, so it is done once for many agents.
	if a.newAgents++; a.newAgents%agentsSlack != 1 {
		return nil
	}
	return a.db.ForgetAgents(maxAgents, agentsBytes)
}

// ForgetHosts deletes what is known about hosts, except their results. It returns the
// names that were unknown.
func (s *Store) ForgetHosts(ctx context.Context, names []string) (unknown []string, err error) {
	return ask(ctx, s, func(a *actor) (unknown []string, err error) {
		err = a.db.Do(func(tx *sqlite.Tx) (err error) {
			unknown, err = tx.ForgetHosts(names)
			return err
		})
		for _, name := range names {
			delete(a.knownHosts, name) // a job of it is news
		}
		return unknown, err
	})
}
