package hostview

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestMetricsOfHosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warren.prom")
	if err := WriteMetrics(path, map[string]bool{"web01": true, "web02": false}, time.UnixMilli(1_500)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if families["warren_hosts_asked_time_seconds"].GetMetric()[0].GetGauge().GetValue() != 1.5 {
		t.Errorf("%s", text)
	}
	up := map[string]float64{}
	for _, m := range families["warren_host_up"].GetMetric() {
		up[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	if len(up) != 2 || up["web01"] != 1 || up["web02"] != 0 {
		t.Errorf("%v", up)
	}
}
