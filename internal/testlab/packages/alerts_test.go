//go:build linux

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The rules about clocks fire for a clock that is behind and for one that is ahead, and not for requests
// that have waited.
func TestClockAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool; make packages-test installs it")
	}
	rules, err := os.ReadFile(filepath.Join(tree, "packaging/prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ offset, refused, alert string }{
		"clocks agree":                                     {"-0.01x120", "0x120", ""},
		"host 20 s behind":                                 {"20x120", "0x120", "WarrenClockOffset"},
		"host an hour behind":                              {"3600x120", "0+1x120", "WarrenClockOffset"},
		"host 2 min ahead, asked each 10 m":                {"-120x120", "0x9 1x9 2x9 3x9 4x9 5x9 6x9 7x9 8x9 9x9 10x9", "WarrenClockAhead"},
		"requests waited":                                  {"-2700x120", "0x120", ""},
		"requests waited, and then some were refused":      {"-2700x120", "0x30 5x90", ""},
		"refused because they are valid for too long":      {"-0.01x120", "0+1x120", ""},
		"the newest of the requests that waited is recent": {"-2700x20 -0.01x100", "0+1x20 21x100", ""},
	} {
		fires := ""
		if c.alert != "" {
			fires = fmt.Sprintf(`{labels: '{alertname="%s",alertstate="firing",instance="web01",severity="warning"}', value: 1}`, c.alert)
		}
		test := fmt.Sprintf(`rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'warrend_clock_offset_seconds{instance="web01"}', values: '%s'}
      - {series: 'warrend_requests_refused_total{instance="web01",reason="outside_validity"}', values: '%s'}
      - {series: 'warrend_requests_refused_total{instance="web01",reason="malformed"}', values: '0+1x120'}
    promql_expr_test:
      - expr: max_over_time(ALERTS{alertname=~"WarrenClock.*",alertstate="firing"}[2h])
        eval_time: 2h
        exp_samples: [%s]
`, c.offset, c.refused, fires)
		dir := t.TempDir()
		for file, text := range map[string]string{"alerts.yml": string(rules), "test.yml": test} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(promtool, "test", "rules", filepath.Join(dir, "test.yml")).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// The limits of the rules are those of docs/monitoring.md.
func TestClockAlertsAreDocumented(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(tree, "packaging/prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(tree, "docs/monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	limits := regexp.MustCompile(`alert: (\w+)\n +expr: -?warrend_clock_offset_seconds > (\d+)`).FindAllStringSubmatch(string(rules), -1)
	if len(limits) != 2 {
		t.Errorf("the rules about clocks: %q", limits)
	}
	for _, m := range limits {
		if !regexp.MustCompile("(?m)^- `" + m[1] + "`: .*more than " + m[2] + " s ahead").Match(page) {
			t.Errorf("docs/monitoring.md does not say that %s fires above %s s", m[1], m[2])
		}
	}
}
