package target

import (
	"context"
	"errors"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/operator/where"
)

const (
	// pollInterval is the shortest time between two questions of a Poller.
	pollInterval = 2 * time.Second
	// pollPerAgent times the number of agents is the shortest time between two questions, so that
	// a large fleet is asked less often.
	pollPerAgent = 2 * time.Millisecond
	// mostMissed is how many questions in a row an agent may leave unanswered before it counts as
	// offline.
	mostMissed = 2
)

// A Poller asks the agents again and again, and knows which of them were online meanwhile.
type Poller struct {
	flags     *Flags
	env       *Env
	set       *hostexpr.Set // nil where no host is named
	all       bool          // also agents that were last online before
	condition *where.Condition
	excluded  *hostexpr.Set

	asked  time.Time
	missed map[string]int // answers that an agent owes, by its id; an agent that has not answered yet is absent
	known  []Agent
}

// NewPoller returns a Poller for the hosts of the flags.
func (c *Flags) NewPoller(ctx context.Context, env *Env, set *hostexpr.Set, all bool) (*Poller, error) {
	condition, err := c.condition(ctx, env)
	if err != nil {
		return nil, err
	}
	excluded, err := c.excluded(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := env.Connect(ctx); err != nil {
		return nil, err
	}
	return &Poller{flags: c, env: env, set: set, all: all, condition: condition, excluded: excluded, missed: map[string]int{}}, nil
}

// Next waits until it is time for the next question, asks all agents, and returns the hosts: those
// that are online, those that have gone offline since the first question and, if all is set, those
// that were online earlier. While it waits it calls idle often. An error of Next may be
// ErrNotAsked: then the next call may succeed.
func (p *Poller) Next(ctx context.Context, idle func()) (Selection, error) {
	if err := p.pause(ctx, idle); err != nil {
		return Selection{}, err
	}
	p.asked = time.Now()
	answers, err := p.env.Engine().Discover(ctx, pollInterval, func(answers []model.Agent, quiet time.Duration) bool {
		idle()
		return quiet > helloQuiet && p.complete(answers)
	})
	switch {
	case ctx.Err() != nil:
		return Selection{}, context.Cause(ctx)
	case err != nil:
		return Selection{}, &notAskedError{err}
	}
	if err := p.merge(ctx, answers); err != nil {
		return Selection{}, err
	}
	return p.selection(answers)
}

// ErrNotAsked is the cause of an error of a question that could not be sent.
var ErrNotAsked = errors.New("the agents could not be asked")

type notAskedError struct{ err error }

func (e *notAskedError) Error() string {
	if errors.Is(e.err, context.DeadlineExceeded) {
		return "the broker does not answer"
	}
	return e.err.Error()
}

func (e *notAskedError) Is(target error) bool { return target == ErrNotAsked }

func (p *Poller) pause(ctx context.Context, idle func()) error {
	wait := time.Until(p.asked.Add(max(pollInterval, time.Duration(len(p.missed))*pollPerAgent)))
	end := time.NewTimer(max(0, wait))
	defer end.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end.C:
			return nil
		case <-tick.C:
			idle()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// complete reports whether each agent that answered the last question has answered, and each host
// that is named.
func (p *Poller) complete(answers []model.Agent) bool {
	answering := make(map[string]bool, len(answers))
	for i := range answers {
		answering[answers[i].Agent] = true
	}
	for id, missed := range p.missed {
		if missed == 0 && !answering[id] {
			return false
		}
	}
	return len(answers) > 0 && (p.set == nil || p.flags.complete(p.set, answers))
}

// merge counts the answers and updates what is known.
func (p *Poller) merge(ctx context.Context, answers []model.Agent) error {
	for id := range p.missed {
		p.missed[id]++
	}
	for i := range answers {
		p.missed[answers[i].Agent] = 0
	}
	known, err := p.env.known(ctx, answers)
	if err != nil {
		return err
	}
	p.known = slices.DeleteFunc(known, func(a Agent) bool { return slices.ContainsFunc(a.Names, p.excluded.Has) })
	return nil
}

// selection returns the hosts that match. Whether they do is decided by the last answer of each.
func (p *Poller) selection(answers []model.Agent) (Selection, error) {
	known := slices.Clone(p.known)
	for i := range known { // so that labels of an agent that has just gone are still known
		_, known[i].Answers = p.missed[known[i].Agent.Agent]
	}
	met, err := meeting(p.condition, known, p.set)
	if err != nil {
		return Selection{}, err
	}
	met = slices.DeleteFunc(met, func(a Agent) bool { return !a.Answers && !p.all })
	for i := range met {
		missed, seen := p.missed[met[i].Agent.Agent]
		met[i].Answers = seen && missed < mostMissed
	}
	s := selectAgents(p.set, answers, met, true)
	s.Answered = len(answers)
	s.Silent = slices.DeleteFunc(s.Silent, func(name string) bool { // it has an agent, which is listed as offline
		return slices.ContainsFunc(s.Agents, func(a Agent) bool { return slices.Contains(a.Names, name) })
	})
	slices.SortFunc(s.Agents, ByID)
	s.hosts = nil // in another order than Agents
	return s, nil
}
