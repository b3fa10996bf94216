package target

import (
	"testing"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
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
