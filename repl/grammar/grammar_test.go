package grammar

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"warren/internal/config"
)

func BenchmarkParseShell(b *testing.B) {
	b.Setenv("XDG_CONFIG_HOME", b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseShell([]string{"run", "true", "--hosts", "h1"}); err != nil {
			b.Fatal(err)
		}
	}
}

// The grammar of one command has the same flags as in the whole grammar.
func TestShellParserHasTheNamedCommandOnly(t *testing.T) {
	whole := shellParser(new(shellGrammar), nil).Model
	for _, node := range whole.Children {
		if node.Hidden || node.Name == "help" || node.Name == "config" {
			continue
		}
		for _, name := range append([]string{node.Name}, node.Aliases...) {
			part := shellParser(new(shellGrammar), []string{name}).Model
			commands := slices.DeleteFunc(part.Children, func(n *kong.Node) bool { return n.Hidden })
			if len(commands) != 1 || commands[0].Name != node.Name {
				t.Fatalf("for %s the grammar has the commands %v", name, commands)
			}
			if got, want := len(commands[0].Flags), len(node.Flags); got != want {
				t.Errorf("%s has %d flags, not %d", name, got, want)
			}
			if got, want := len(part.Flags), len(whole.Flags); got != want {
				t.Errorf("for %s there are %d flags of the program, not %d", name, got, want)
			}
		}
	}
	for _, word := range []string{"help", "config", "rnu", "--broker", ""} {
		if got, want := len(shellParser(new(shellGrammar), []string{word}).Model.Children), len(whole.Children); got != want {
			t.Errorf("for %q the grammar has %d commands, not %d", word, got, want)
		}
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	for text, want := range map[string]string{
		"timeout = \"5m\"\nfanout = 3\n": "", // of other commands
		"timeout = 5\n":                  "timeout",
		"tiemout = \"5m\"\n":             "there is no setting tiemout",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ParseShell([]string{"tasks", "--config", file})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("a file with %q gives %v", text, err)
		}
	}
	if got, want := len(allSettings()), len(config.Settings(whole)); got != want {
		t.Errorf("a file may name %d settings, not %d", got, want)
	}
}
