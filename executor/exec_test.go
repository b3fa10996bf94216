package executor

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"weak"

	"warren/executor/decisionlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// Results are remembered for days, so they must not keep output in memory.
func TestResultKeepsNoOutputInMemory(t *testing.T) {
	output := make([]byte, 1<<20)
	gone := weak.Make(&output[0])
	e := outcome(t.Context(), &wire.Run{}, process.Result{Started: true, ExitCode: 3, Rest: []process.Chunk{{Data: output}}})
	output = nil //nolint:wastedassign // lets the collector take it
	runtime.GC()
	if gone.Value() != nil {
		t.Error("the output is still in memory")
	}
	if e.Outcome != wire.Exited || *e.ExitCode != 3 {
		t.Errorf("%+v", e)
	}
}

// Nothing else is removed, and the name of the directory is no pattern.
func TestScriptsOfKilledAgentAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data[1]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"warren-script-1", "warren-script-2.cmd", "journal", decisionlog.FileName} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweepScripts(dir)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 || left[0].Name() != decisionlog.FileName || left[1].Name() != "journal" {
		t.Errorf("%v", left)
	}
}
