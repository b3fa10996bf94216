//go:build unix

package agent

import "testing"

func TestPlaces(t *testing.T) {
	for goos, want := range map[string][2]string{
		"linux":  {"/etc/warren/warrend.toml", "/var/lib/warrend"},
		"darwin": {"/Library/Application Support/Warren/warrend.toml", "/Library/Application Support/Warren/agent"},
	} {
		if config, dataDir := places(goos); config != want[0] || dataDir != want[1] {
			t.Errorf("%s: %q, %q", goos, config, dataDir)
		}
	}
}
