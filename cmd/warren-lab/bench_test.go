//go:build unix

package main

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"warren/internal/testlab/bench"
	"warren/internal/testlab/rabbit/rabbittest"
)

// TestBench is the measurement itself, small: it must not rot, and it loses
// nothing. What it finds is not looked at.
func TestBench(t *testing.T) {
	p := newPlace(t)
	profiles := t.TempDir()
	report, err := bench.Run(t.Context(), bench.Config{
		What: []string{"table"}, Broker: rabbittest.URL(t), Hosts: []int{10}, Rounds: 2, Runners: []string{bench.Exec, bench.Noop},
		Programs: p.bin, Profile: profiles, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 4 {
		t.Errorf("%d rows, want those of two runners, warm and cold", len(report.Rows))
	}
	for _, row := range report.Rows {
		for side, series := range map[string]bench.Series{"floor": row.Floor, "Warren": row.Warren} {
			if len(series) != 2 || slices.ContainsFunc(series, func(s bench.Sample) bool { return s.Last <= 0 || s.Lost > 0 }) {
				t.Errorf("%s of %s, cold %v: %+v", side, row.Runner, row.Cold, series)
			}
		}
	}
	var text bytes.Buffer
	if err := report.Text(&text); err != nil || strings.Count(text.String(), "| 10 |") != 8 {
		t.Errorf("the table (%v):\n%s", err, text.String())
	}
}

// The measurements of files, small. Times and memory depend on the machine; bytes do not.
func TestBenchOfFilesCountsBytes(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("gives each host a directory of its own at one path, which needs root on Linux")
	}
	p := newPlace(t)
	report, err := bench.Run(t.Context(), bench.Config{
		What: []string{"push", "collect", "large"}, Broker: rabbittest.URL(t), Separate: 3, PushSize: 2 << 20, CollectSize: 64 << 10,
		LargeSize: 1 << 20, ManyFiles: 10, Programs: p.bin, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	bytes := 0
	for _, bar := range report.Bars {
		if strings.Contains(bar.What, "bytes into the broker") {
			bytes++
			if bar.Found <= 0 || !bar.Met() {
				t.Errorf("%s: %.3f %s, want at most %.3f", bar.What, bar.Found, bar.Unit, bar.Limit)
			}
		}
	}
	if bytes != 2 {
		t.Errorf("%d bars of bytes, want those of a push and of the same push again", bytes)
	}
}
