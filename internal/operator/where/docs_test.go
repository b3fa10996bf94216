package where

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"warren/internal/wire"
)

// Each condition of docs/hosts.md is valid and uses no unknown name except the labels
// that the page mentions, and the page names all facts.
func TestExamplesOfDocsAreValid(t *testing.T) {
	text, err := os.ReadFile("../../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "## Conditions")
	_, table, ok := strings.Cut(page, "| condition | selects |\n| --- | --- |\n")
	if !ok {
		t.Fatal("the page has no table of conditions")
	}
	host := &wire.Hello{Agent: "x", Facts: wire.Facts{Labels: map[string]string{"role": "", "tier": "1", "dc": "EU"}}}
	n := 0
	for line := range strings.Lines(table) {
		found := regexp.MustCompile("^\\| `(.*?)` \\|").FindStringSubmatch(line)
		if found == nil {
			break
		}
		n++
		c, err := Parse(found[1])
		if err != nil {
			t.Error(err)
			continue
		}
		if err := c.Check([]*wire.Hello{host}); err != nil {
			t.Error(err)
		}
		if _, err := c.Match(host); err != nil {
			t.Errorf("%s: %v", found[1], err)
		}
	}
	if n < 10 {
		t.Errorf("the page has only %d conditions", n)
	}
	for _, name := range Facts() {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
	for name := range constants {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}
