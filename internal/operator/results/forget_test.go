package results

import (
	"slices"
	"testing"
	"time"
)

func TestForgetHostsDeletesAgentsAndTheirNames(t *testing.T) {
	s := start(t, t.TempDir())
	discover := s.asked(t)
	for _, name := range []string{"web01", "web02", "web03"} {
		h := hello(name, 1)
		h.Names = []string{name, "alias-of-" + name}
		if err := s.SawAgent(t.Context(), discover, h, name); err != nil {
			t.Fatal(err)
		}
	}
	execRaw(t, s.dir, `INSERT INTO hosts VALUES ('web01'), ('alias-of-web01'), ('web02'), ('db1'), ('gone')`)
	unknown, err := s.ForgetHosts(t.Context(), []string{"alias-of-web01", "gone", "never", "web03", "alias-of-web03"})
	if err != nil || !slices.Equal(unknown, []string{"never"}) {
		t.Errorf("unknown: %q, %v", unknown, err)
	}
	names, err := s.Hosts(t.Context())
	if err != nil || !slices.Equal(names, []string{"alias-of-web02", "db1", "web02"}) {
		t.Errorf("hosts: %q, %v", names, err)
	}
	agents, err := s.Agents(t.Context(), time.Time{})
	if err != nil || len(agents) != 1 || agents[0].Agent != "web02" {
		t.Errorf("agents: %+v, %v", agents, err)
	}
}
