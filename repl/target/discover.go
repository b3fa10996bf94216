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

	// helloQuiet is the pause without answers after which discovery is complete, if the
	// number of agents is not known.
	helloQuiet = 300 * time.Millisecond

	// goneFor is how long discovery still expects an agent that has answered before, if
	// the task names no hosts.
	goneFor = 7 * 24 * time.Hour
)

// A Selection is the set of agents that the target flags select.
type Selection struct {
	Agents   []Agent
	Answered int      // agents that answer, selected or not
	hosts    []string // their names as the operator wrote them, or else their ids
	Silent   []string // named hosts that do not answer
	gone     []string // ids of agents that match by an earlier answer but do not answer now and are not in Agents; used if no host is named

	NotAccepted bool // the broker does not accept messages for some that do not answer; see ExplainSilence
}

// An Agent is a selected agent. Its last answer may be from an earlier discovery.
type Agent struct {
	model.Agent
	Answers bool
}

// Up reports for each selected host whether an agent answers, under the name that the operator
// has written, or else the agent's id.
func (s *Selection) Up() map[string]bool {
	up := map[string]bool{}
	for i, a := range s.Agents {
		up[s.hosts[i]] = a.Answers
	}
	for _, name := range s.Silent {
		up[name] = false
	}
	return up
}

// DropOffline removes the agents that do not answer. ExplainSilence still knows those that have
// answered within the last days.
func (s *Selection) DropOffline() {
	agents, hosts := s.Agents, s.hosts
	s.Agents, s.hosts = nil, nil
	for i, a := range agents {
		switch {
		case a.Answers:
			s.Agents, s.hosts = append(s.Agents, a), append(s.hosts, hosts[i])
		case time.Since(a.Seen) < goneFor:
			s.gone = append(s.gone, a.Agent.Agent)
		}
	}
}

// Ask selects from the agents that answer and, if all is set, from those that have
// answered before. An agent is selected once, under the first of its names that set has.
func (c *Flags) Ask(ctx context.Context, env *Env, set *hostexpr.Set, all bool) (Selection, error) {
	condition, err := c.condition(ctx, env)
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
	if known, err = meeting(condition, known, set); err != nil {
		return Selection{}, err
	}
	chosen := selectAgents(set, answers, known, all)
	chosen.Answered = len(answers)
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

// complete reports whether all agents that are known to be needed have answered.
func (c *Flags) complete(set *hostexpr.Set, answers []model.Agent) bool {
	if set == nil {
		return len(answers) >= int(c.MinHosts)
	}
	owners := owners(answers)
	return !slices.ContainsFunc(set.Names(), func(name string) bool { return len(owners[name]) == 0 })
}

// owners maps each name that is answered to, to the ids of the agents that may have it: the agent
// whose id it is, or else all that claim it, of which the broker lets one have it.
func owners(answers []model.Agent) map[string][]string {
	owners := make(map[string][]string, len(answers))
	for _, a := range answers {
		for _, name := range a.Names {
			owners[name] = append(owners[name], a.Agent)
		}
	}
	for _, a := range answers {
		owners[a.Agent] = []string{a.Agent}
	}
	return owners
}

// discover sends a discover request to all agents, and repeats it if some are missing.
// If all hosts are named, it returns as soon as these have answered. Otherwise the number
// of agents is not known: it collects answers until none arrives for a while, and waits
// for the agents that have answered within the last days.
func (env *Env) discover(ctx context.Context, complete func([]model.Agent) bool, named bool) (answers []model.Agent, err error) {
	if err := env.Connect(ctx); err != nil {
		return nil, err
	}
	recent, err := env.Store().Agents(ctx, time.Now().Add(-goneFor))
	if err != nil {
		return nil, err
	}
	call := discovery{named: named, recent: recent, complete: complete}
	err = env.Interruptible(ctx, func(ctx context.Context) (err error) {
		if answers, err = env.Engine().Discover(ctx, discoverTime, call.enough); err != nil || complete(answers) {
			return err
		}
		again, err := env.Engine().Discover(ctx, discoverTime, call.enough)
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

// A discovery decides how long discover waits for more answers.
type discovery struct {
	named    bool          // the task names all hosts; else complete knows only some of those that must answer
	recent   []model.Agent // agents that have answered within the last days
	complete func(answers []model.Agent) bool
}

// enough reports whether discover can stop waiting, given that no answer has arrived
// for the time quiet.
func (r *discovery) enough(answers []model.Agent, quiet time.Duration) bool {
	if r.named {
		return r.complete(answers)
	}
	return len(answers) > 0 && quiet > helloQuiet && areAmong(r.recent, answers) && r.complete(answers)
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

// meeting returns the agents of which the condition is true, if there is one. What is wrong with
// it for an agent that does not answer, or that set does not name, does not matter.
func meeting(condition *where.Condition, known []Agent, set *hostexpr.Set) ([]Agent, error) {
	if condition == nil {
		return known, nil
	}
	var hellos []*wire.Hello
	for i := range known {
		if known[i].Answers {
			hellos = append(hellos, &known[i].Hello)
		}
	}
	if len(hellos) > 0 { // else no labels are known
		if err := condition.Check(hellos); err != nil {
			return nil, cli.WithStatus(cli.ExitUsage, prefixed("--where", err))
		}
	}
	var met []Agent
	for i := range known {
		ok, err := condition.Match(&known[i].Hello)
		if err != nil && known[i].Answers && (set == nil || slices.ContainsFunc(known[i].Names, set.Has)) {
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
	byID, byName := map[string]Agent{}, map[string]Agent{}
	for _, a := range met {
		if !a.Answers && !all {
			continue
		}
		byID[a.Agent.Agent] = a
		for _, name := range a.Names {
			if !byName[name].Answers { // who answers has the name now
				byName[name] = a
			}
		}
	}
	owners, taken := owners(answers), map[string]bool{}
	for _, name := range set.Names() {
		a, ok := byName[name]
		if ids := owners[name]; len(ids) == 0 {
			c.Silent = append(c.Silent, name)
		} else { // if several claim the name, any of them may have it: all must be meant
			a, ok = byID[ids[0]]
			ok = ok && !slices.ContainsFunc(ids, func(id string) bool { _, met := byID[id]; return !met })
		}
		if ok && !taken[a.Agent.Agent] {
			taken[a.Agent.Agent] = true
			c.Agents, c.hosts = append(c.Agents, a), append(c.hosts, name)
		}
	}
	return c
}
