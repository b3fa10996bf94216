package results

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// asked announces a new discover.
func (s *running) asked(t *testing.T) (discover string) {
	t.Helper()
	discover = uuid.NewString()
	if err := s.Expect(t.Context(), discover, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return discover
}

func hello(agent string, started int64, names ...string) *wire.Hello {
	return &wire.Hello{V: 1, Agent: agent, Names: append([]string{agent}, names...), Facts: wire.Facts{OS: "linux", Hostname: agent, StartedAt: started}, At: 5}
}

func (s *running) agents(t *testing.T) (found []model.Agent) {
	t.Helper()
	found, err := s.Agents(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A hello that answers no known discover, or comes too late, is dropped.
func TestUnexpectedHelloIsDropped(t *testing.T) {
	s := start(t, t.TempDir())
	late := uuid.NewString()
	if err := s.Expect(t.Context(), late, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, discover := range []string{uuid.NewString(), late, ""} {
		if err := s.SawAgent(t.Context(), discover, hello("evil", 1), ""); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.agents(t); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	if c, err := s.Counts(t.Context()); err != nil || c.Unknown != 3 {
		t.Errorf("%+v %v", c, err)
	}
}

// If two agents answer with one id, the first answer stays and the others are counted. The
// same answer twice comes from one agent.
func TestAgentsWithSameIDAreCounted(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	for range 3 {
		if err := s.SawAgent(t.Context(), discover, hello("web01", 1), ""); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.agents(t); len(found) != 1 || found[0].Duplicates != 0 {
		t.Errorf("%+v", found)
	}
	for i := range 20 {
		if err := s.SawAgent(t.Context(), discover, hello("web01", int64(i+2), "db01"), ""); err != nil {
			t.Fatal(err)
		}
	}
	found := s.agents(t)
	if len(found) != 1 || found[0].Duplicates != maxDuplicates || found[0].Facts.StartedAt != 1 || len(found[0].Names) != 1 {
		t.Errorf("%+v", found)
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || !slices.Equal(hosts, []string{"web01"}) {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	// The next discover begins at zero.
	if err := s.SawAgent(t.Context(), s.asked(t), hello("web01", 1), ""); err != nil {
		t.Fatal(err)
	}
	if found := s.agents(t); found[0].Duplicates != 0 {
		t.Errorf("%+v", found)
	}
}

// Answers with one id and two logins come from two agents, even if they are equal: the
// broker vouches for the logins.
func TestTwoLoginsWithSameIDAreReported(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	for _, login := range []string{"web01", "web01", "evil", "evil"} {
		if err := s.SawAgent(t.Context(), discover, hello("web01", 1), login); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.agents(t); len(found) != 1 || !found[0].TwoLogins || found[0].Duplicates == 0 {
		t.Errorf("%+v", found)
	}
}

// A login that answers with invented ids, in answers of the maximum size, leaves room for
// other logins.
func TestOneLoginCannotFillTheRound(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	large := func(i int) *wire.Hello {
		h := hello(fmt.Sprintf("invented%d", i), 1)
		h.Facts.Labels = map[string]string{"x": strings.Repeat("x", wire.MaxHello-1000)}
		return h
	}
	stored := 0
	for i := range 5000 {
		err := s.SawAgent(t.Context(), discover, large(i), "evil")
		if errors.Is(err, ErrSurplus) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		stored++
	}
	if stored*wire.MaxHello > loginBytes*2 {
		t.Errorf("%d large hellos were stored", stored)
	}
	if err := s.SawAgent(t.Context(), discover, hello("web01", 1), "web01"); err != nil {
		t.Error(err)
	}
}

// Answers to many discovers do not add up without bound: the oldest are forgotten.
func TestRememberedAgentsAreBoundedInBytes(t *testing.T) {
	s := start(t, t.TempDir())
	execRaw(t, s.dir, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
		INSERT INTO agents SELECT 'agent' || i, '{"names":["' || hex(zeroblob(5000)) || '"]}', i FROM n`)
	if err := askNothing(t.Context(), s.Store, func(a *actor) error { return a.db.ForgetAgents(maxAgents, 1_000_000) }); err != nil {
		t.Fatal(err)
	}
	found := s.agents(t)
	if len(found) != 99 || slices.ContainsFunc(found, func(a model.Agent) bool { return a.Seen.Before(time.UnixMilli(102)) }) {
		t.Errorf("%d agents are remembered", len(found))
	}
}

// The number of remembered agents is bounded, and those of the last discover are there.
func TestAgentsAreBounded(t *testing.T) {
	s := start(t, t.TempDir())
	// Agents of earlier discovers.
	execRaw(t, s.dir, fmt.Sprintf(
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO agents SELECT 'old' || i, '{"names":["old"]}', i FROM n`, maxAgents+agentsSlack))
	discover := s.asked(t)
	for i := range agentsSlack + 2 {
		if err := s.SawAgent(t.Context(), discover, hello(fmt.Sprintf("new%d", i), 1), ""); err != nil {
			t.Fatal(err)
		}
	}
	found := s.agents(t)
	if len(found) > maxAgents+agentsSlack {
		t.Errorf("%d agents", len(found))
	}
	for i := range agentsSlack + 2 {
		if name := fmt.Sprintf("new%d", i); !slices.ContainsFunc(found, func(a model.Agent) bool { return a.Agent == name }) {
			t.Fatalf("%s is forgotten", name)
		}
	}
}

func TestRoundsAreBounded(t *testing.T) {
	a := &actor{rounds: discoverRounds{}}
	now := time.Now()
	for i := range 3 * maxRounds {
		a.rounds.expect(fmt.Sprint(i), now, now.Add(time.Minute+time.Duration(i)))
	}
	if len(a.rounds) != maxRounds || a.rounds[fmt.Sprint(3*maxRounds-1)] == nil {
		t.Errorf("%d rounds", len(a.rounds))
	}
	r := a.rounds[fmt.Sprint(3*maxRounds-1)]
	for i := range maxAgents {
		r.responders[fmt.Sprint(i)] = &responder{}
	}
	if err := a.sawAgent(fmt.Sprint(3*maxRounds-1), hello("one-too-many", 1), "", now); !errors.Is(err, ErrSurplus) || a.counts.Foreign != 1 {
		t.Errorf("%v %+v", err, a.counts)
	}
	a.rounds.expect("x", now.Add(time.Hour), now.Add(2*time.Hour))
	if len(a.rounds) != 1 {
		t.Errorf("%d rounds after their time", len(a.rounds))
	}
}
