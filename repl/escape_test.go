package repl

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"warren/internal/escape"
	"warren/repl/cli"
	"warren/repl/term"
)

// In JSON and in errors, all bytes from a host are harmless text on a terminal, and a program
// that decodes the JSON gets every character back.
func TestJSONHasNoHiddenCharacters(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, args := range [][]string{
		{"run", "hidden", "--hosts", "web01", "--json"},
		{"run", "hidden", "--hosts", "web01", "--jsonl"},
		{"run", "hidden", "--hosts", "web01"},
		{"run", "hiddenoutput", "--hosts", "web01", "--json"},
		{"run", "hiddenoutput", "--hosts", "web01", "--jsonl", "--stream"},
		{"run", "echo " + hiddenText, "--hosts", "web01", "--json", "--dry-run"},
		{"run", "echo " + hiddenText, "--hosts", "web01", "--check", "--json"},
		{"run", hiddenText, "--hosts", "web01", "--detach", "--json"},
		{"run", "true", "--hosts", hiddenText},
		{"run", "true", "--where", "name == '" + hiddenText + "' and " + hiddenText},
		{"tasks", "--command", hiddenText + "("},
		{"tasks", "--json"},
		{"tasks"},
		{"hosts", "--json"},
		{"hosts"},
		{"config", "--json"},
		{"config"},
		{"check_task", hiddenText, "--json"},
		{"check_task", "1b4e0001", "--outcome", hiddenText},
	} {
		t.Setenv("WARREN_IDENTITY", "/"+strings.ReplaceAll(hiddenText, "\x00", ""))
		t.Setenv("WARREN_DATA_DIR", t.TempDir())
		var out, errs bytes.Buffer
		Main(t.Context(), args, term.IO{In: strings.NewReader(""), Out: &out, Err: &errs, Interrupts: make(chan os.Signal)}, openFake)
		text := strings.ReplaceAll(out.String()+errs.String(), "\n", "")
		if i := strings.IndexFunc(text, escape.IsHidden); i >= 0 {
			t.Errorf("%q: %q", args, text[i:min(len(text), i+60)])
		}
		if len(args) > 1 && args[len(args)-1] == "--json" && strings.Contains(args[1], "hiddenoutput") {
			var doc struct {
				Jobs []struct{ Stdout, Stderr string }
			}
			if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Jobs[0].Stdout != hiddenText || doc.Jobs[0].Stderr != hiddenText {
				t.Errorf("%q: %v, %+v", args, err, doc)
			}
		}
	}
}

func TestJSONEscapesNamesOfMembers(t *testing.T) {
	text, err := cli.EncodeJSON(map[string]any{"labels": map[string]string{hiddenText: hiddenText}})
	if err != nil || strings.ContainsFunc(string(text), escape.IsHidden) {
		t.Errorf("%q, %v", text, err)
	}
	var back struct{ Labels map[string]string }
	if err := json.Unmarshal(text, &back); err != nil || back.Labels[hiddenText] != hiddenText {
		t.Errorf("%+v, %v", back, err)
	}
}
