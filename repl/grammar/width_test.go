package grammar

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"warren/internal/displaywidth"
	"warren/internal/translate"
)

// Examples are not wrapped, so that they can be copied. They fit on a terminal of 80 columns.
func TestExamplesFitOnTerminal(t *testing.T) {
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	n := 0
	var walk func(node *kong.Node)
	walk = func(node *kong.Node) {
		for _, text := range []string{node.Detail, chinese.Word(strings.TrimSpace(node.Detail))} {
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				if !strings.HasPrefix(line, "  ") {
					continue
				}
				if n++; displaywidth.Of(line) > 80 {
					t.Errorf("help of %s: %d columns: %s", node.Name, displaywidth.Of(line), line)
				}
			}
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(ShellModel())
	walk(PromptModel())
	if n == 0 {
		t.Error("no examples")
	}
}
