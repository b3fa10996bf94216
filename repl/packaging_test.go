package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"warren/repl/term"
)

// The sample configuration is accepted with its examples in force, and says the
// defaults as they are.
func TestSampleConfiguration(t *testing.T) {
	sample, err := os.ReadFile("../packaging/config/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("WARREN_DATA_DIR", filepath.Join(dir, "data"))
	t.Setenv("XDG_CONFIG_HOME", dir)
	settings := func(config string) string {
		t.Helper()
		var out, errs bytes.Buffer
		status := Main(t.Context(), []string{"--config=" + config, "config"},
			term.IO{In: strings.NewReader(""), Out: &out, Err: &errs, Interrupts: make(chan os.Signal)}, openFake)
		if status != 0 || strings.Contains(errs.String(), "error: ") {
			t.Fatalf("status %d: %s", status, errs.String())
		}
		return out.String()
	}
	path := filepath.Join(dir, "sample.toml")
	text := regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAll(sample, []byte("$1"))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	row := func(table, setting string) []string {
		return regexp.MustCompile(`(?m)^` + setting + ` +(\S+) +(\S.*)$`).FindStringSubmatch(table)
	}
	sampled, defaults := settings(path), settings("")
	for _, setting := range []string{"broker", "identity", "timeout", "confirm_above", "results_retention", "results_size", "collected_size"} {
		if m := row(sampled, setting); m == nil || !strings.Contains(m[2], "sample.toml:") {
			t.Errorf("%s does not come from the sample: %q", setting, m)
		}
	}
	for _, setting := range []string{"confirm_above", "results_retention", "results_size", "collected_size"} {
		if got, want := row(sampled, setting)[1], row(defaults, setting)[1]; got != want {
			t.Errorf("the sample says %s = %s, the default is %s", setting, got, want)
		}
	}
}
