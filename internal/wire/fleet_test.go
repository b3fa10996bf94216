package wire

import (
	"strings"
	"testing"
)

func TestFleetHasItsOwnNamespace(t *testing.T) {
	for fleet, want := range map[string]string{
		"": "warren", "production": "warren.production", "eu-1": "warren.eu-1", strings.Repeat("a", MaxFleet): "warren." + strings.Repeat("a", MaxFleet),
	} {
		if got := Namespace(fleet); got != want {
			t.Errorf("namespace of %q: %q", fleet, got)
		}
		if got, ok := FleetOf(want); !ok || got != fleet {
			t.Errorf("fleet of %q: %q, %v", want, got, ok)
		}
	}
	for _, ns := range []string{"", "file", "Warren", "warren.", "warrens", "warren.A", "warren.a.b", "warren-reply", "warren." + strings.Repeat("a", MaxFleet+1)} {
		if fleet, ok := FleetOf(ns); ok {
			t.Errorf("%q is taken for the namespace of fleet %q", ns, fleet)
		}
	}
}

func TestFleetNameIsChecked(t *testing.T) {
	for _, name := range []string{"", "Production", "a b", "a.b", "a_b", "ä", "a\x00", strings.Repeat("a", MaxFleet+1)} {
		if CheckFleet(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}
