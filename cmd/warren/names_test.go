package main

import (
	"strings"
	"testing"
)

// An agent and an operator who spell its names differently mean the same host.
func TestSpellingsOfNamesMeet(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, _ = p.agent("FQDN.Example.com.", "--alias", "2001:0DB8:0:0::F1", "--alias", "[2001:db8::f2],::ffff:10.9.8.7")
	for _, name := range []string{
		strings.ToUpper(p.prefix) + "fqdn.example.com", p.prefix + "fqdn.example.com.",
		"2001:db8::f1", "2001:DB8::0:F1", "[2001:db8::f1]", "2001:0db8::f2", "10.9.8.7", "::ffff:10.9.8.7",
	} {
		if r := p.want(0, "run", "echo $WARREN_HOST", "--hosts", name); !strings.Contains(r.out, "done: 1 ok") {
			t.Errorf("%s: %s", name, r)
		}
	}
	r := p.want(0, "hosts", "--where", `name == "`+strings.ToUpper(p.prefix)+`FQDN.example.com." and "2001:0DB8::F2" in names`)
	if !strings.Contains(r.out, p.prefix+"fqdn.example.com ") {
		t.Error(r)
	}
}
