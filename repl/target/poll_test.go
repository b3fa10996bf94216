package target

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// pollEngine answers each question with the next of its rounds, and keeps what has answered as
// the store does. The round "!" cannot be asked.
type pollEngine struct {
	Engine
	Store
	rounds []string
	asked  []time.Time
	known  map[string]model.Agent
}

func (e *pollEngine) Discover(ctx context.Context, wait time.Duration, enough func([]model.Agent, time.Duration) bool) ([]model.Agent, error) {
	e.asked = append(e.asked, time.Now())
	round := e.rounds[0]
	if len(e.rounds) > 1 {
		e.rounds = e.rounds[1:]
	}
	if round == "!" {
		return nil, context.DeadlineExceeded
	}
	var answers []model.Agent
	for id := range strings.FieldsSeq(round) {
		a := model.Agent{Seen: time.Now(), Hello: wire.Hello{Agent: id, Names: []string{id, id + ".example"}, Facts: wire.Facts{Labels: map[string]string{"role": id[:1]}}}}
		e.known[id], answers = a, append(answers, a)
	}
	for quiet := time.Duration(0); quiet < wait && !enough(answers, quiet); quiet += 100 * time.Millisecond {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return answers, ctx.Err()
		}
	}
	return answers, nil
}

func (e *pollEngine) Agents(context.Context, time.Time) ([]model.Agent, error) {
	var all []model.Agent
	for _, a := range e.known {
		all = append(all, a)
	}
	return all, nil
}

// polled returns what a Poller selects in each round: "-" is before a host that is offline, "?"
// before a name without an agent, and "!" a question that could not be sent.
func polled(t *testing.T, flags Flags, hosts string, all bool, rounds ...string) (selected []string, asked []time.Time) {
	t.Helper()
	engine := &pollEngine{rounds: rounds, known: map[string]model.Agent{}}
	engine.known["old"] = model.Agent{Seen: time.Now().Add(-time.Hour), Hello: wire.Hello{Agent: "old", Names: []string{"old"}}}
	env := &Env{
		Out: term.NewConsole(term.IO{}, false), Connect: func(context.Context) error { return nil },
		Engine: func() Engine { return engine }, Store: func() Store { return engine },
	}
	var set *hostexpr.Set
	if hosts != "" {
		var err error
		if set, err = hostexpr.Parse(hosts, 100); err != nil {
			t.Fatal(err)
		}
	}
	p, err := flags.NewPoller(t.Context(), env, set, all)
	if err != nil {
		t.Fatal(err)
	}
	for range rounds {
		s, err := p.Next(t.Context(), func() {})
		var words []string
		if errors.Is(err, ErrNotAsked) {
			words, err = []string{"!"}, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range s.Agents {
			word := a.Agent.Agent
			if !a.Answers {
				word = "-" + word
			}
			words = append(words, word)
		}
		for _, name := range s.Silent {
			words = append(words, "?"+name)
		}
		selected = append(selected, strings.Join(words, " "))
	}
	return selected, engine.asked
}

func TestPollerFollowsHosts(t *testing.T) {
	condition, other := `role == "w"`, `role != "w"`
	for _, tt := range []struct {
		name   string
		flags  Flags
		hosts  string
		all    bool
		rounds []string
		want   []string
	}{
		{"an agent is offline after two missed questions", Flags{}, "", false, []string{"a b", "a", "a", "a b"}, []string{"a b", "a b", "a -b", "a b"}},
		{"a new agent", Flags{}, "", false, []string{"", "a", "a b"}, []string{"", "a", "a b"}},
		{"a question that cannot be sent changes nothing", Flags{}, "", false, []string{"a", "!", "!", "!", "a"}, []string{"a", "!", "!", "!", "a"}},
		{"all hosts", Flags{}, "", true, []string{"a"}, []string{"a -old"}},
		{"named hosts", Flags{}, "a c", false, []string{"a b", "a b c", "a b", "a b"}, []string{"a ?c", "a c", "a c", "a -c"}},
		{"a condition", Flags{Where: &condition}, "", false, []string{"w1 d1", "d1", "d1"}, []string{"w1", "w1", "-w1"}},
		{"a condition, and no agent has answered yet", Flags{Where: &other}, "", true, []string{"", "a"}, []string{"-old", "a -old"}},
		{"excluded hosts", Flags{Exclude: []string{"b.example"}}, "", false, []string{"a b"}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, _ := polled(t, tt.flags, tt.hosts, tt.all, tt.rounds...)
				if strings.Join(got, "|") != strings.Join(tt.want, "|") {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestPollerAsksLargeFleetsLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, asked := polled(t, Flags{}, "", false, "a b", "a b", "a b")
		if d := asked[2].Sub(asked[1]); d < pollInterval || d > pollInterval+time.Second {
			t.Errorf("two agents are asked every %s", d)
		}
		many := strings.Repeat("x", 1)
		for i := range 5000 {
			many += " h" + strings.Repeat("a", i%50) + string(rune('a'+i/50%26)) + string(rune('a'+i/1300))
		}
		_, asked = polled(t, Flags{}, "", false, many, many)
		if d := asked[1].Sub(asked[0]); d < 2*pollInterval {
			t.Errorf("thousands of agents are asked every %s", d)
		}
	})
}
