package where

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"warren/internal/wire"
)

func TestExamplesOfDocsAreValid(t *testing.T) {
	t.Run("en", func(t *testing.T) {
		checkExamples(t, "../../../docs/hosts.md", "## Conditions", "| condition | selects |\n| --- | --- |\n")
	})
	t.Run("zh-CN", func(t *testing.T) {
		checkExamples(t, "../../../docs/zh-CN/hosts.md", "## 条件", "| 条件 | 选中 |\n| --- | --- |\n")
	})
}

// checkExamples checks that each condition of a page is valid and uses no unknown name except
// the labels that the page mentions, and that the page names all facts.
func checkExamples(t *testing.T, file, section, header string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), section)
	_, table, ok := strings.Cut(page, header)
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
