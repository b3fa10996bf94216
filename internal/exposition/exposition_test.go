package exposition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLabelsAreEscaped(t *testing.T) {
	want := "a\"b\\c\nd\u00e9"
	var p Page
	p.Value(Gauge, "x", "help \\ with\nlines", 1.5, "host", want, "other", "y")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(p.Bytes())))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Bytes())
	}
	m := families["x"].GetMetric()[0]
	if m.GetLabel()[0].GetValue() != want || m.GetGauge().GetValue() != 1.5 || families["x"].GetHelp() != "help \\ with\nlines" {
		t.Errorf("%v", families)
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	var p Page
	p.Value(Gauge, "x", "help", 1, "host", "a\xffb")
	if !strings.Contains(string(p.Bytes()), "a\ufffdb") {
		t.Errorf("%q", p.Bytes())
	}
}

func TestFileIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.prom")
	for range 2 {
		var p Page
		p.Value(Gauge, "x", "help", 1)
		if err := WriteFile(path, &p); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != string(p.Bytes()) {
			t.Errorf("%q, %v", text, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := WriteFile(filepath.Join(dir, "none", "x.prom"), new(Page)); err == nil {
		t.Error("wrote into no directory")
	}
}

func TestFilesThatNobodyReadsAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := CheckFile(filepath.Join(dir, "x.prom")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{filepath.Join(dir, "x.txt"), filepath.Join(dir, "none", "x.prom")} {
		if err := CheckFile(path); err == nil || !strings.Contains(hint.Text(err), "hint: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
