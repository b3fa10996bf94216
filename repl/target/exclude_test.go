package target

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// An agentStore knows some agents, and nothing else.
type agentStore struct {
	Store
	agents []model.Agent
}

func (s agentStore) Agents(context.Context, time.Time) ([]model.Agent, error) { return s.agents, nil }
func (s agentStore) Hosts(context.Context) ([]string, error)                  { return nil, nil }

// A host has several names. Whichever of them is left out, the host is.
func TestExcludeByAnotherName(t *testing.T) {
	agent := func(names ...string) model.Agent {
		return model.Agent{Hello: wire.Hello{Agent: names[0], Names: names}}
	}
	store := agentStore{agents: []model.Agent{agent("web01", "front1"), agent("web02"), agent("liar", "web02", "front2")}}
	var out bytes.Buffer
	env := &Env{
		Out: term.NewConsole(term.IO{Err: &out}, false), Groups: lookup.Config{Path: t.TempDir() + "/none", Cache: new(upcall.Cache)},
		Store: func() Store { return store }, Start: func(context.Context) error { return nil },
	}
	for _, tt := range []struct{ hosts, exclude, want string }{
		{"web01 web02", "front1", "web02"},
		{"front1 web02", "web01", "web02"},
		{"web01 web02", "front2", "web01 web02"}, // only the host that claims web02 is left out, too
		{"web01 web02", "other", "web01 web02"},
		{"web01", "front1", "the expressions select no hosts"},
	} {
		flags := Flags{Hosts: []string{tt.hosts}, Exclude: []string{tt.exclude}}
		hosts, err := flags.ChooseHosts(t.Context(), env)
		got := strings.Join(hosts, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("--hosts %q --exclude %q: %q, want %q", tt.hosts, tt.exclude, got, tt.want)
		}
	}
	if !strings.Contains(out.String(), "left out, since --exclude has another name of them: web01\n") {
		t.Errorf("noted %q", out.String())
	}
}
