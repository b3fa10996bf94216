package repl

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/operator/where"
	"warren/internal/wire"
)

const (
	// discoverTime is the longest that agents are waited for.
	discoverTime = 3 * time.Second

	// helloQuiet is how long nobody must have answered before all have, where
	// nobody has said how many they are.
	helloQuiet = 300 * time.Millisecond

	// goneFor is how long who has answered earlier is missed where no names say
	// who should answer.
	goneFor = 7 * 24 * time.Hour
)

// A choice is the agents that targets come to.
type choice struct {
	agents []chosenAgent
	hosts  []string // their names as they were named, or else their ids
	silent []string // named hosts that do not answer
	gone   []string // ids of agents that would have been chosen earlier, where no host is named
}

// A chosenAgent is one that is meant. It may have answered earlier only.
type chosenAgent struct {
	model.Agent
	answers bool
}

// ask chooses among the agents that answer, and, told so, all that have answered
// before. An agent is chosen once, by the first of its names that is named.
func (c *targets) ask(ctx context.Context, s *session, set *hostexpr.Set, all bool) (choice, error) {
	condition, err := c.condition()
	if err != nil {
		return choice{}, err
	}
	excluded, err := c.excluded(ctx, s)
	if err != nil {
		return choice{}, err
	}
	answers, err := s.discover(ctx, func(answers []model.Agent) bool { return c.complete(set, answers) }, set != nil)
	if err != nil {
		return choice{}, err
	}
	known, err := s.known(ctx, answers)
	if err != nil {
		return choice{}, err
	}
	known = slices.DeleteFunc(known, func(a chosenAgent) bool { return slices.ContainsFunc(a.Names, excluded.Has) })
	if known, err = meeting(condition, known); err != nil {
		return choice{}, err
	}
	chosen := choose(set, answers, known, all)
	n := 0
	for _, a := range chosen.agents {
		if a.answers {
			n++
		}
	}
	if n < int(c.MinHosts) {
		return chosen, c.tooFew(n, chosen.silent)
	}
	return chosen, nil
}

// complete reports whether nobody else need be waited for, as far as is known.
func (c *targets) complete(set *hostexpr.Set, answers []model.Agent) bool {
	if set == nil {
		return len(answers) >= int(c.MinHosts)
	}
	owner := owners(answers)
	return !slices.ContainsFunc(set.Names(), func(name string) bool { return owner[name] == "" })
}

// owners maps each name that is answered to, to the id of its agent.
func owners(answers []model.Agent) map[string]string {
	owner := make(map[string]string, len(answers))
	for _, a := range answers {
		for _, name := range a.Names {
			owner[name] = a.Agent
		}
	}
	return owner
}

// discover asks all agents who they are, a second time where some are missing.
// Where all are named it takes these as soon as they have answered. Else nobody
// knows how many there are: it takes all that come until it is quiet, and waits
// for those that have answered within the last days.
func (s *session) discover(ctx context.Context, complete func([]model.Agent) bool, named bool) (answers []model.Agent, err error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	lately, err := s.store.Agents(ctx, time.Now().Add(-goneFor))
	if err != nil {
		return nil, err
	}
	call := rollCall{named: named, lately: lately, complete: complete}
	err = s.interruptible(ctx, func(ctx context.Context) (err error) {
		if answers, err = s.engine.Discover(ctx, discoverTime, call.enough); err != nil || complete(answers) {
			return err
		}
		again, err := s.engine.Discover(ctx, discoverTime, call.enough)
		answers = united(answers, again)
		return err
	})
	if errors.Is(err, errInterrupted) {
		return nil, quiet(exitFailed)
	}
	slices.SortFunc(answers, func(a, b model.Agent) int { return cmp.Compare(a.Agent, b.Agent) })
	s.warnOfClocks(clocksOfAgents(answers))
	s.warnOfDisks(answers)
	for _, line := range rivals(answers) {
		s.note("warning: %s", line)
	}
	return answers, err
}

// A rollCall is whom a discover waits for.
type rollCall struct {
	named    bool          // complete knows all of them; else it knows some that must be there
	lately   []model.Agent // who has answered within the last days
	complete func(answers []model.Agent) bool
}

// enough reports whether nobody else need be waited for, once nobody has answered
// for so long.
func (r *rollCall) enough(answers []model.Agent, quiet time.Duration) bool {
	if r.named {
		return r.complete(answers)
	}
	return len(answers) > 0 && quiet > helloQuiet && areAmong(r.lately, answers) && r.complete(answers)
}

// areAmong reports whether each of the agents is among those that answer.
func areAmong(agents, answers []model.Agent) bool {
	if len(agents) > len(answers) {
		return false
	}
	answering := make(map[string]bool, len(answers))
	for i := range answers {
		answering[answers[i].Agent] = true
	}
	return !slices.ContainsFunc(agents, func(a model.Agent) bool { return !answering[a.Agent] })
}

// united is the answers of both, the second of an agent that has given two.
func united(first, second []model.Agent) []model.Agent {
	again := make(map[string]bool, len(second))
	for i := range second {
		again[second[i].Agent] = true
	}
	first = slices.DeleteFunc(first, func(a model.Agent) bool { return again[a.Agent] })
	return append(first, second...)
}

// known is who answers now, and who has answered before, by id.
func (s *session) known(ctx context.Context, answers []model.Agent) ([]chosenAgent, error) {
	stored, err := s.store.Agents(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	var known []chosenAgent
	answering := map[string]bool{}
	for _, a := range answers {
		answering[a.Agent] = true
		known = append(known, chosenAgent{a, true})
	}
	for _, a := range stored {
		if !answering[a.Agent] {
			known = append(known, chosenAgent{a, false})
		}
	}
	slices.SortFunc(known, byID)
	return known, nil
}

func byID(a, b chosenAgent) int { return cmp.Compare(a.Agent.Agent, b.Agent.Agent) }

// meeting returns the agents of which the condition is true, if there is one.
// What is wrong with it for one that does not answer does not matter.
func meeting(condition *where.Condition, known []chosenAgent) ([]chosenAgent, error) {
	if condition == nil {
		return known, nil
	}
	var hellos []*wire.Hello
	for i := range known {
		if known[i].answers {
			hellos = append(hellos, &known[i].Hello)
		}
	}
	if len(hellos) == 0 {
		return nil, nil // nobody is there whose labels could be known
	}
	if err := condition.Check(hellos); err != nil {
		return nil, withStatus(exitUsage, prefixed("--where", err))
	}
	var met []chosenAgent
	for i := range known {
		ok, err := condition.Match(&known[i].Hello)
		if err != nil && known[i].answers {
			return nil, withStatus(exitUsage, prefixed("--where", err))
		}
		if ok {
			met = append(met, known[i])
		}
	}
	return met, nil
}

// choose makes the choice: of the agents that are meant by the names and in met.
func choose(set *hostexpr.Set, answers []model.Agent, met []chosenAgent, all bool) (c choice) {
	if set == nil {
		for _, a := range met {
			switch {
			case a.answers || all:
				c.agents, c.hosts = append(c.agents, a), append(c.hosts, a.Agent.Agent)
			case time.Since(a.Seen) < goneFor:
				c.gone = append(c.gone, a.Agent.Agent)
			}
		}
		return c
	}
	byName := map[string]chosenAgent{}
	for _, a := range met {
		if a.answers || all {
			for _, name := range a.Names {
				if !byName[name].answers { // who answers has the name now
					byName[name] = a
				}
			}
		}
	}
	owner, taken := owners(answers), map[string]bool{}
	for _, name := range set.Names() {
		if owner[name] == "" {
			c.silent = append(c.silent, name)
		}
		if a, ok := byName[name]; ok && !taken[a.Agent.Agent] {
			taken[a.Agent.Agent] = true
			c.agents, c.hosts = append(c.agents, a), append(c.hosts, name)
		}
	}
	return c
}
