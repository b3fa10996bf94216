package main

import (
	"strings"
	"testing"
)

// An operator of one fleet does nothing on a host of another, and hears why: from
// run, from a check, and from cancel. hosts does not show such a host.
func TestOperatorOfAnotherFleetIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, a := p.agent("a", "--fleet", "production")

	p.want(0, "--fleet", "production", "run", "true", "--hosts", host)
	other := `signed for fleet "staging"; this host belongs to fleet "production" (--fleet)`
	has(t, p.want(1, "--fleet", "staging", "run", "true", "--hosts", host).out, "rejected", other)
	has(t, p.want(1, "run", "true", "--hosts", host).out, "rejected", `signed for no fleet; this host belongs to fleet "production" (--fleet)`)
	has(t, p.want(1, "--fleet", "staging", "run", "true", "--check", "--hosts", host).out, other)
	await(t, &a.Err, `level=WARN msg=refused reason="signed for fleet \\"staging\\"`)

	if r := p.want(0, "--fleet", "production", "hosts"); !strings.Contains(r.out, host) {
		t.Errorf("hosts does not show a host of its own fleet: %s", r)
	}
	if r := p.want(1, "--fleet", "staging", "hosts", "--hosts", host); !strings.Contains(r.err, "fleet") {
		t.Errorf("hosts does not say that hosts of another fleet do not answer: %s", r)
	}
}

// The fleet is a setting like any other, and must fit its use.
func TestFleetSetting(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.want(2, "--fleet", "Production", "hosts")
	has(t, r.err, `--fleet: "Production" is not the name of a fleet`, "a-z, 0-9 and -")
	r = p.want(2, "--fleet", "production", "--identity", "none", "run", "true", "--hosts", "web01")
	has(t, r.err, "an unsigned request belongs to no fleet", "hint: leave out --fleet production, or name a key")
	has(t, p.want(0, "--fleet", "production", "config").out, "fleet", "production", "--fleet")
}
