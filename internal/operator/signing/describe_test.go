//go:build unix

package signing

import (
	"strings"
	"testing"
)

func TestDescribeListsTheKeyThatSignsAndTheOthers(t *testing.T) {
	d := newDesk(t)
	mine, first := d.key("mine", "ed25519", "", "-C", "alice@desk"), d.key("first", "ed25519", "", "-C", "other@desk")
	d.agent(first, mine)
	fingerprint := func(pub string) string {
		return strings.Fields(d.run("", "ssh-keygen", "-l", "-f", d.path(pub)))[1]
	}
	r := Describe(t.Context(), Options{})
	if got, want := r.String(), fingerprint("first.pub")+" other@desk (ssh-agent)"; got != want {
		t.Errorf("signs with %q, want %q", got, want)
	}
	if got, want := r.OtherKeys(), fingerprint("mine.pub")+" alice@desk (ssh-agent)"; got != want {
		t.Errorf("other keys %q, want %q", got, want)
	}
	r = Describe(t.Context(), Options{Identity: mine})
	if got, want := r.String(), fingerprint("mine.pub")+" alice@desk ("+mine+")"; got != want {
		t.Errorf("signs with %q, want %q", got, want)
	}
	if got, want := r.OtherKeys(), fingerprint("first.pub")+" other@desk (ssh-agent)"; got != want {
		t.Errorf("other keys %q, want %q", got, want)
	}
	if r = Describe(t.Context(), Options{Identity: None}); r.String() != "none: requests are unsigned" {
		t.Errorf("%q", r.String())
	}
	if r = Describe(t.Context(), Options{Identity: d.path("absent")}); !strings.HasPrefix(r.String(), "none: SSH key: ") {
		t.Errorf("%q", r.String())
	}
}
