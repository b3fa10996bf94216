package target

import (
	"slices"
	"testing"
)

func TestOtherSpellings(t *testing.T) {
	known := []string{"db10", "web01", "web02", "r1-n007", "10.0.0.1"}
	for host, want := range map[string]string{
		"web1": "web01", "web001": "web01", "web01": "", "web3": "", "web10": "", "db10": "", "db010": "db10",
		"r01-n7": "r1-n007", "10.0.0.1": "", "10.0.0.10": "", "web": "",
	} {
		typed, meant := otherSpellings([]string{host}, known)
		if want == "" && len(typed) > 0 || want != "" && (!slices.Equal(typed, []string{host}) || !slices.Equal(meant, []string{want})) {
			t.Errorf("%s: %v %v, want %q", host, typed, meant, want)
		}
	}
}
