package target

import (
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
}
