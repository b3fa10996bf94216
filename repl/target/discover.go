package target

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
	"warren/repl/cli"
	"warren/repl/term"
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

// A Selection is the agents that targets come to.
type Selection struct {
	Agents []Agent
	hosts  []string // their names as they were named, or else their ids
	Silent []string // named hosts that do not answer
	gone   []string // ids of agents that would have been chosen earlier, where no host is named
}

// A Agent is one that is meant. It may have answered earlier only.
type Agent struct {
	model.Agent
	Answers bool
}

// Ask chooses among the agents that answer, and, told so, all that have answered
// before. An agent is chosen once, by the first of its names that is named.
func (c *Flags) Ask(ctx context.Context, env *Env, set *hostexpr.Set, all bool) (Selection, error) {
	condition, err := c.condition()
	if err != nil {
		return Selection{}, err
	}
	excluded, err := c.excluded(ctx, env)
	if err != nil {
		return Selection{}, err
	}
	answers, err := env.discover(ctx, func(answers []model.Agent) bool { return c.complete(set, answers) }, set != nil)
	if err != nil {
		return Selection{}, err
	}
	known, err := env.known(ctx, answers)
	if err != nil {
		return Selection{}, err
	}
	known = slices.DeleteFunc(known, func(a Agent) bool { return slices.ContainsFunc(a.Names, excluded.Has) })
	if known, err = meeting(condition, known); err != nil {
		return Selection{}, err
	}
	chosen := selectAgents(set, answers, known, all)
	n := 0
	for _, a := range chosen.Agents {
		if a.Answers {
			n++
		}
	}
	if n < int(c.MinHosts) {
		return chosen, c.tooFew(n, chosen.Silent)
	}
	return chosen, nil
}

// complete reports whether nobody else need be waited for, as far as is known.
func (c *Flags) complete(set *hostexpr.Set, answers []model.Agent) bool {
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
func (env *Env) discover(ctx context.Context, complete func([]model.Agent) bool, named bool) (answers []model.Agent, err error) {
	if err := env.Connect(ctx); err != nil {
		return nil, err
	}
	lately, err := env.Store().Agents(ctx, time.Now().Add(-goneFor))
	if err != nil {
		return nil, err
	}
	call := discovery{named: named, lately: lately, complete: complete}
	err = env.Interruptible(ctx, func(ctx context.Context) (err error) {
		if answers, err = env.Discover(ctx, discoverTime, call.enough); err != nil || complete(answers) {
			return err
		}
		again, err := env.Discover(ctx, discoverTime, call.enough)
		answers = united(answers, again)
		return err
	})
	if errors.Is(err, term.ErrInterrupted) {
		return nil, cli.ExitWith(cli.ExitFailed)
	}
	slices.SortFunc(answers, func(a, b model.Agent) int { return cmp.Compare(a.Agent, b.Agent) })
	env.Clocks.Warn(env.Out, clocksOfAgents(answers))
	env.warnOfDisks(answers)
	for _, line := range duplicates(answers) {
		env.Out.Note("warning: %s", line)
	}
	return answers, err
}

// A discovery is whom a discover waits for.
type discovery struct {
	named    bool          // complete knows all of them; else it knows some that must be there
	lately   []model.Agent // who has answered within the last days
	complete func(answers []model.Agent) bool
}

// enough reports whether nobody else need be waited for, once nobody has answered
// for so long.
func (r *discovery) enough(answers []model.Agent, quiet time.Duration) bool {
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
func (env *Env) known(ctx context.Context, answers []model.Agent) ([]Agent, error) {
	stored, err := env.Store().Agents(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	var known []Agent
	answering := map[string]bool{}
	for _, a := range answers {
		answering[a.Agent] = true
		known = append(known, Agent{a, true})
	}
	for _, a := range stored {
		if !answering[a.Agent] {
			known = append(known, Agent{a, false})
		}
	}
	slices.SortFunc(known, ByID)
	return known, nil
}

func ByID(a, b Agent) int { return cmp.Compare(a.Agent.Agent, b.Agent.Agent) }

// meeting returns the agents of which the condition is true, if there is one.
// What is wrong with it for one that does not answer does not matter.
func meeting(condition *where.Condition, known []Agent) ([]Agent, error) {
	if condition == nil {
		return known, nil
	}
	var hellos []*wire.Hello
	for i := range known {
		if known[i].Answers {
			hellos = append(hellos, &known[i].Hello)
		}
	}
	if len(hellos) == 0 {
		return nil, nil // nobody is there whose labels could be known
	}
	if err := condition.Check(hellos); err != nil {
		return nil, cli.WithStatus(cli.ExitUsage, prefixed("--where", err))
	}
	var met []Agent
	for i := range known {
		ok, err := condition.Match(&known[i].Hello)
		if err != nil && known[i].Answers {
			return nil, cli.WithStatus(cli.ExitUsage, prefixed("--where", err))
		}
		if ok {
			met = append(met, known[i])
		}
	}
	return met, nil
}

// selectAgents selects the agents that are meant by the names and in met.
func selectAgents(set *hostexpr.Set, answers []model.Agent, met []Agent, all bool) (c Selection) {
	if set == nil {
		for _, a := range met {
			switch {
			case a.Answers || all:
				c.Agents, c.hosts = append(c.Agents, a), append(c.hosts, a.Agent.Agent)
			case time.Since(a.Seen) < goneFor:
				c.gone = append(c.gone, a.Agent.Agent)
			}
		}
		return c
	}
	byName := map[string]Agent{}
	for _, a := range met {
		if a.Answers || all {
			for _, name := range a.Names {
				if !byName[name].Answers { // who answers has the name now
					byName[name] = a
				}
			}
		}
	}
	owner, taken := owners(answers), map[string]bool{}
	for _, name := range set.Names() {
		if owner[name] == "" {
			c.Silent = append(c.Silent, name)
		}
		if a, ok := byName[name]; ok && !taken[a.Agent.Agent] {
			taken[a.Agent.Agent] = true
			c.Agents, c.hosts = append(c.Agents, a), append(c.hosts, name)
		}
	}
	return c
}
