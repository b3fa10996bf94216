package target

import (
	"fmt"
	"slices"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func TestDuplicates(t *testing.T) {
	agent := func(duplicates int, names ...string) model.Agent {
		return model.Agent{Hello: wire.Hello{Agent: names[0], Names: names}, Duplicates: duplicates}
	}
	two := agent(1, "f")
	two.TwoLogins = true
	got := duplicates([]model.Agent{two, agent(0, "a", "x"), agent(1, "b"), agent(0, "c", "a"), agent(0, "d", "x", "y"), agent(0, "e", "z")})
	want := []string{
		"two logins at the broker answer as f; the first answer is shown",
		"2 agents answered with the id b; the first is shown",
		"a is also claimed by c",
		"x is claimed by both a and d",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	names := []string{"liar"} // claims those of 30 others
	var others []model.Agent
	for i := range 30 {
		other := agent(0, fmt.Sprint("web", i))
		names, others = append(names, other.Agent), append(others, other)
	}
	got = duplicates(append(others, agent(0, names...)))
	if len(got) != maxDuplicates+1 || got[maxDuplicates] != "20 more names are claimed twice" {
		t.Errorf("%q", got)
	}
}
