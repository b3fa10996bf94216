package version

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}}
	modified := append(revision[:1:1], debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	for name, c := range map[string]struct {
		release string
		info    debug.BuildInfo
		want    string
	}{
		"set by the linker":       {"1.2.3", debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, "1.2.3"},
		"installed as a module":   {"", debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, "1.0.0"},
		"built from a clean tree": {"", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: revision}, "devel-0123456789ab"},
		"built from a dirty tree": {"", debug.BuildInfo{Settings: modified}, "devel-0123456789ab-dirty"},
		"built without git":       {"", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel"},
	} {
		if got := describe(c.release, &c.info); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
