// Package exposition writes metrics in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"warren/internal/hint"
)

// ContentType is the content type of the format.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// A Kind is the type of a metric.
type Kind string

const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// A Page is a list of metrics. The zero value is empty.
type Page struct {
	text bytes.Buffer
	name string // of the metric that is being written
}

// Bytes returns the text.
func (p *Page) Bytes() []byte { return p.text.Bytes() }

// Metric begins a metric. Samples of it follow.
func (p *Page) Metric(kind Kind, name, help string) {
	p.name = name
	fmt.Fprintf(&p.text, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(help), name, kind)
}

// Sample writes a value of the metric. Labels are names and values in turn.
func (p *Page) Sample(value float64, labels ...string) { p.sample("", value, labels) }

// Value writes a metric with one sample.
func (p *Page) Value(kind Kind, name, help string, value float64, labels ...string) {
	p.Metric(kind, name, help)
	p.Sample(value, labels...)
}

// A Bucket is a bucket of a histogram.
type Bucket struct {
	Bound float64 // upper, included
	Count int     // of this bucket alone
}

// Buckets writes a histogram. Above is the number of values above the last bound.
func (p *Page) Buckets(name, help string, buckets []Bucket, above int, sum float64) {
	p.Metric(Histogram, name, help)
	total := 0
	for _, b := range buckets {
		total += b.Count
		p.sample("_bucket", float64(total), []string{"le", format(b.Bound)})
	}
	total += above
	p.sample("_bucket", float64(total), []string{"le", "+Inf"})
	p.sample("_sum", sum, nil)
	p.sample("_count", float64(total), nil)
}

func (p *Page) sample(suffix string, value float64, labels []string) {
	p.text.WriteString(p.name + suffix)
	for i := 0; i+1 < len(labels); i += 2 {
		p.text.WriteByte("{,"[min(i, 1)])
		p.text.WriteString(labels[i] + `="` + escapeValue.Replace(strings.ToValidUTF8(labels[i+1], "�")) + `"`)
	}
	if len(labels) > 0 {
		p.text.WriteByte('}')
	}
	p.text.WriteString(" " + format(value) + "\n")
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// CheckFile returns an error with a hint if a file for node_exporter's textfile collector cannot
// be written at path.
func CheckFile(path string) error {
	if !strings.HasSuffix(path, ".prom") {
		return hint.Errorf("name a file such as /var/lib/node_exporter/textfile/warren.prom",
			"metrics file %s: node_exporter reads only files that end in .prom", path)
	}
	info, err := os.Stat(filepath.Dir(path))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	if err != nil {
		return hint.Errorf("create the directory that node_exporter's --collector.textfile.directory names",
			"metrics file %s: %w", path, err)
	}
	return nil
}

// WriteFile replaces the content of a file by a page. A reader sees either the whole old content
// or the whole new one. Anybody may read the file, because node_exporter runs as its own user.
func WriteFile(path string, p *Page) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".warren-metrics-*")
	if err != nil {
		return fmt.Errorf("metrics file %s: %w", path, err)
	}
	_, err = f.Write(p.Bytes())
	if err == nil {
		err = f.Chmod(0o644)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("metrics file %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
