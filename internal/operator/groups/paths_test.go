package groups

import (
	"slices"
	"testing"
)

func TestSplitPaths(t *testing.T) {
	for _, tt := range []struct {
		goos, text string
		want       []string
	}{
		{"linux", `/etc/a\ b "$CFGDIR/groups.d"`, []string{"/etc/a b", "$CFGDIR/groups.d"}},
		{"windows", `C:\warren\groups.d "C:\Program Files\warren" $CFGDIR\x`, []string{`C:\warren\groups.d`, `C:\Program Files\warren`, `$CFGDIR\x`}},
	} {
		if words, err := splitPaths(tt.goos, tt.text); err != nil || !slices.Equal(words, tt.want) {
			t.Errorf("%s: %q, %v; want %q", tt.goos, words, err, tt.want)
		}
	}
}
