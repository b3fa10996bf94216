package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Prometheus and Grafana report a metric that does not exist as no data.
func TestSamplesUseExistingMetrics(t *testing.T) {
	exists := map[string]bool{
		"warren_host_up": true, "warren_hosts_asked_time_seconds": true, // of warren hosts --metrics-file
		"up": true, "node_textfile_mtime_seconds": true, // of Prometheus and node_exporter
	}
	a := busy()
	a.status.Stats.NoteClock(a.status.At, a.status.At)
	for _, m := range regexp.MustCompile(`(?m)^(\w+)[{ ]`).FindAllStringSubmatch(string(page(t.Context(), a).Bytes()), -1) {
		exists[m[1]] = true
	}
	alerts := alertExpressions(t)
	for _, expr := range append(alerts, dashboardExpressions(t)...) {
		names := regexp.MustCompile(`\b(warrend?|node)_\w+|^up\b`).FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s has no metric", expr)
		}
		for _, name := range names {
			if !exists[name] {
				t.Errorf("%s: there is no %s", expr, name)
			}
		}
	}
	// The metrics of an agent that does not run are absent, or those of a file are old.
	for _, metric := range []string{"up", "node_textfile_mtime_seconds", "warren_host_up"} {
		if !slices.ContainsFunc(alerts, func(expr string) bool { return regexp.MustCompile(`\b` + metric + `\b`).MatchString(expr) }) {
			t.Errorf("no rule has %s", metric)
		}
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	a := busy()
	a.status.Stats.NoteClock(a.status.At, a.status.At)
	for name := range parse(t, string(page(t.Context(), a).Bytes())) {
		if !strings.Contains(string(doc), "`"+name) {
			t.Errorf("docs/monitoring.md does not describe %s", name)
		}
	}
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../packaging/prometheus/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func alertExpressions(t *testing.T) (exprs []string) {
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(sample(t, "alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				t.Errorf("group %s has a rule without a name", g.Name)
			}
			exprs = append(exprs, r.Expr)
		}
	}
	return exprs
}

func dashboardExpressions(t *testing.T) (exprs []string) {
	var file struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(sample(t, "dashboard.json"), &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}
