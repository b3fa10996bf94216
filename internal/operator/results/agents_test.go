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

// asked is a discover that has just been sent.
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

// What nobody has asked for, or too late, is not believed.
func TestHelloThatNobodyAskedFor(t *testing.T) {
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

// Two that answer by one id: the first answer stays, and it is said that there
// are others. The same answer twice is no other's.
func TestHellosByOneID(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	for range 3 {
		if err := s.SawAgent(t.Context(), discover, hello("web01", 1), ""); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.agents(t); len(found) != 1 || found[0].Rivals != 0 {
		t.Errorf("%+v", found)
	}
	for i := range 20 {
		if err := s.SawAgent(t.Context(), discover, hello("web01", int64(i+2), "db01"), ""); err != nil {
			t.Fatal(err)
		}
	}
	found := s.agents(t)
	if len(found) != 1 || found[0].Rivals != maxRivals || found[0].Facts.StartedAt != 1 || len(found[0].Names) != 1 {
		t.Errorf("%+v", found)
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || !slices.Equal(hosts, []string{"web01"}) {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	// The next discover begins anew.
	if err := s.SawAgent(t.Context(), s.asked(t), hello("web01", 1), ""); err != nil {
		t.Fatal(err)
	}
	if found := s.agents(t); found[0].Rivals != 0 {
		t.Errorf("%+v", found)
	}
}

// One id, two logins at the broker: the broker vouches for these, so it is said,
// whatever else the answers have in common.
func TestTwoLoginsByOneID(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	for _, login := range []string{"web01", "web01", "evil", "evil"} {
		if err := s.SawAgent(t.Context(), discover, hello("web01", 1), login); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.agents(t); len(found) != 1 || !found[0].TwoLogins || found[0].Rivals == 0 {
		t.Errorf("%+v", found)
	}
}

// A login that answers by invented ids, each answer as large as may be, leaves room for
// the others.
func TestOneLoginCannotFillTheRoll(t *testing.T) {
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

// What comes round after round does not grow without bound either: the oldest go.
func TestRememberedAgentsAreBoundedInBytes(t *testing.T) {
	s := start(t, t.TempDir())
	_, err := ask(t.Context(), s.Store, func(a *actor) (struct{}, error) {
		_, err := a.tx.conn.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
			INSERT INTO agents SELECT 'agent' || i, '{"names":["' || hex(zeroblob(5000)) || '"]}', i FROM n`)
		return struct{}{}, errors.Join(err, a.tx.forgetAgents(maxAgents, 1_000_000))
	})
	if err != nil {
		t.Fatal(err)
	}
	found := s.agents(t)
	if len(found) != 99 || slices.ContainsFunc(found, func(a model.Agent) bool { return a.Seen.Before(time.UnixMilli(102)) }) {
		t.Errorf("%d agents are remembered", len(found))
	}
}

// However many answer, and whatever they call themselves, the store stays
// bounded, and those of the last discover are there.
func TestAgentsAreBounded(t *testing.T) {
	s := start(t, t.TempDir())
	// Those of long ago, by one statement: what is tested is not their coming.
	_, err := ask(t.Context(), s.Store, func(a *actor) (struct{}, error) {
		_, err := a.tx.conn.exec(fmt.Sprintf(
			`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO agents SELECT 'old' || i, '{"names":["old"]}', i FROM n`, maxAgents+agentsSlack))
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
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

func TestRollsAreBounded(t *testing.T) {
	a := &actor{rolls: map[string]*roll{}}
	now := time.Now()
	for i := range 3 * maxRolls {
		a.expect(fmt.Sprint(i), now, now.Add(time.Minute+time.Duration(i)))
	}
	if len(a.rolls) != maxRolls || a.rolls[fmt.Sprint(3*maxRolls-1)] == nil {
		t.Errorf("%d rolls", len(a.rolls))
	}
	r := a.rolls[fmt.Sprint(3*maxRolls-1)]
	for i := range maxAgents {
		r.said[fmt.Sprint(i)] = &self{}
	}
	if err := a.sawAgent(fmt.Sprint(3*maxRolls-1), hello("one-too-many", 1), "", now); !errors.Is(err, ErrSurplus) || a.counts.Foreign != 1 {
		t.Errorf("%v %+v", err, a.counts)
	}
	a.expect("x", now.Add(time.Hour), now.Add(2*time.Hour))
	if len(a.rolls) != 1 {
		t.Errorf("%d rolls after their time", len(a.rolls))
	}
}

// A job belongs to the agent that has spoken of it first.
func TestAnotherAgentsWord(t *testing.T) {
	one := 1
	zero := 0
	for name, reply := range map[string]any{
		"accepted":  &wire.Accepted{Agent: "evil", At: 9},
		"started":   &wire.Started{Agent: "evil", At: 9},
		"exited":    &wire.Ended{Agent: "evil", Outcome: wire.Exited, ExitCode: &one, EndedAt: 9},
		"expired":   &wire.Ended{Agent: "evil", Outcome: wire.Expired, EndedAt: 9},
		"unknown":   &wire.State{Agent: "evil", State: wire.StateUnknown, At: 9},
		"forgotten": &wire.State{Agent: "evil", State: wire.StateForgotten, At: 9},
		"running":   &wire.State{Agent: "evil", State: wire.StateRunning, At: 9},
	} {
		for _, state := range []Update{
			{Reply: &wire.Accepted{Agent: "web01", At: 5}},
			{Reply: &wire.State{Agent: "web01", State: wire.StateRunning, At: 5, StartedAt: 5}},
			{Reply: &wire.Ended{Agent: "web01", Outcome: wire.Exited, ExitCode: &zero, EndedAt: 5}},
		} {
			r := record{host: "web01", facts: facts{state: model.Sent}}
			r.merge(state)
			before := r.facts
			c := r.merge(Update{Reply: reply})
			if r.facts != before || c.heard || c.unknown || c.forgotten || c.discarded.Foreign != 1 {
				t.Errorf("%s after %+v: %+v, %+v", name, before, r.facts, c)
			}
		}
	}
}
