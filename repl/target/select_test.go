package target

import (
	"slices"
	"testing"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An agent that claims the names of others, which the broker does not give it, changes no target.
func TestClaimedNamesChangeNoTarget(t *testing.T) {
	agent := func(names ...string) model.Agent {
		return model.Agent{Hello: wire.Hello{Agent: names[0], Names: names}}
	}
	liar := agent("0a", "0a", "web01", "web02", "www", "db")
	web01, web02, alias, other := agent("web01", "web01"), agent("web02", "web02"), agent("web03", "web03", "www"), agent("web04", "web04", "db")
	for _, c := range []struct {
		what, hosts string
		answers     []model.Agent
		met         []model.Agent // by --where
		want        []string
	}{
		{"all are meant", "web[01-02]", []model.Agent{liar, web01, web02}, []model.Agent{liar, web01, web02}, []string{"web01", "web02"}},
		{"only the liar is meant", "web[01-02]", []model.Agent{liar, web01, web02}, []model.Agent{liar}, nil},
		{"the liar is not meant", "web[01-02]", []model.Agent{liar, web01, web02}, []model.Agent{web01}, []string{"web01"}},
		{"a name of two, and both are meant", "www", []model.Agent{liar, alias}, []model.Agent{liar, alias}, []string{"www"}},
		{"a name of two, and one is meant", "www db", []model.Agent{liar, alias, other}, []model.Agent{liar, other}, []string{"db"}},
		{"two names of one agent", "web03 www", []model.Agent{alias}, []model.Agent{alias}, []string{"web03"}},
	} {
		set, err := hostexpr.Parse(c.hosts, 100)
		if err != nil {
			t.Fatal(err)
		}
		var met []Agent
		for _, a := range c.met {
			met = append(met, Agent{Agent: a, Answers: true})
		}
		if got := selectAgents(set, c.answers, met, false).hosts; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
