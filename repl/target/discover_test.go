package target

import (
	"slices"
	"testing"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/operator/where"
	"warren/internal/wire"
	"warren/repl/cli"
)

// Discovery of named hosts ends as soon as they have answered, even if other answers keep
// arriving. Discovery of unnamed hosts waits until no more answers arrive, and for each
// agent that has answered recently.
func TestDiscoveryStopsWhenExpectedAgentsHaveAnswered(t *testing.T) {
	agents := func(names ...string) (out []model.Agent) {
		for _, name := range names {
			out = append(out, model.Agent{Hello: wire.Hello{Agent: name, Names: []string{name, name + ".alias"}}})
		}
		return out
	}
	for _, tt := range []struct {
		name     string
		hosts    string // named
		minHosts int
		recent   []model.Agent
		answers  []model.Agent
		quiet    time.Duration
		want     bool
	}{
		{"all named", "a,b.alias", 0, agents("a", "b", "c"), agents("a", "b"), 0, true},
		{"one named is missing", "a,b", 0, nil, agents("a", "c"), time.Hour, false},
		{"not quiet", "", 0, nil, agents("a"), helloQuiet, false},
		{"quiet", "", 0, nil, agents("a"), helloQuiet + 1, true},
		{"nobody", "", 0, nil, nil, time.Hour, false},
		{"as many as wanted", "", 2, nil, agents("a", "b"), helloQuiet + 1, true},
		{"as many as wanted, not quiet", "", 2, nil, agents("a", "b"), 0, false},
		{"fewer than wanted", "", 3, nil, agents("a", "b"), time.Hour, false},
		{"a recent agent is missing, another is new", "", 0, agents("a", "b"), agents("a", "c"), time.Hour, false},
		{"all recent agents and another", "", 0, agents("a", "b"), agents("a", "b", "c"), helloQuiet + 1, true},
	} {
		var set *hostexpr.Set
		if tt.hosts != "" {
			var err error
			if set, err = hostexpr.Parse(tt.hosts, 10); err != nil {
				t.Fatal(err)
			}
		}
		c := Flags{MinHosts: cli.Count(tt.minHosts)}
		call := discovery{named: set != nil, recent: tt.recent, complete: func(answers []model.Agent) bool { return c.complete(set, answers) }}
		if got := call.enough(tt.answers, tt.quiet); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestConditionSelectsAgents(t *testing.T) {
	agent := func(answers bool, name, rack string) Agent {
		return Agent{Answers: answers, Agent: model.Agent{Hello: wire.Hello{Agent: name, Names: []string{name, name + ".alias"}, Facts: wire.Facts{Labels: map[string]string{"rack": rack}}}}}
	}
	const online, offline = true, false
	for _, tt := range []struct {
		name, condition, hosts string
		known                  []Agent
		want                   []string // nil is an error
	}{
		{"all", "rack > 3", "", []Agent{agent(online, "a", "4"), agent(online, "b", "3"), agent(offline, "c", "5")}, []string{"a", "c"}},
		{"no agent answers", "rack > 3", "", []Agent{agent(offline, "a", "4"), agent(offline, "b", "x")}, []string{"a"}},
		{"no agent answers, and no agent has the label", "room > 3", "", []Agent{agent(offline, "a", "4")}, []string{}},
		{"a label that no agent has", "room > 3", "", []Agent{agent(online, "a", "4")}, nil},
		{"a label that is no number", "rack > 3", "", []Agent{agent(online, "a", "4"), agent(online, "b", "x")}, nil},
		{"on a host that is named", "rack > 3", "a b.alias", []Agent{agent(online, "a", "4"), agent(online, "b", "x")}, nil},
		{"on a host that is not named", "rack > 3", "a", []Agent{agent(online, "a", "4"), agent(online, "b", "x")}, []string{"a"}},
		{"on a host that does not answer", "rack > 3", "a b", []Agent{agent(online, "a", "4"), agent(offline, "b", "x")}, []string{"a"}},
	} {
		condition, err := where.Parse(tt.condition)
		if err != nil {
			t.Fatal(err)
		}
		var set *hostexpr.Set
		if tt.hosts != "" {
			if set, err = hostexpr.Parse(tt.hosts, 10); err != nil {
				t.Fatal(err)
			}
		}
		met, err := meeting(condition, tt.known, set)
		ids := []string{}
		for _, a := range met {
			ids = append(ids, a.Agent.Agent)
		}
		if (err != nil) != (tt.want == nil) || err == nil && !slices.Equal(ids, tt.want) {
			t.Errorf("%s: %q, %v", tt.name, ids, err)
		}
	}
}
