package trust

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestManualPageExplainsEachOption(t *testing.T) {
	page, err := os.ReadFile("../../../packaging/manpages/authorized_operators.5")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Cm (\S+)`).FindAllSubmatch(page, -1) {
		explained = append(explained, string(m[1]))
	}
	slices.Sort(explained)
	if want := slices.Sorted(maps.Keys(setters)); !slices.Equal(explained, want) {
		t.Errorf("the page explains %q, the options are %q", explained, want)
	}
}
