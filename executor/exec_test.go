package executor

import (
	"runtime"
	"testing"
	"weak"

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
