package filejob

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A push that compares first and then asks for the content is two processes with one time limit.
func TestBothProcessesShareTheTimeLimit(t *testing.T) {
	for _, c := range []struct{ limit, second time.Duration }{{10 * time.Minute, 6 * time.Minute}, {3 * time.Minute, 1}, {0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var limits []time.Duration
			run := func(_ context.Context, spec process.Spec, _ func(process.Identity), _ func(process.Chunk)) process.Result {
				limits = append(limits, spec.Timeout)
				time.Sleep(4 * time.Minute)
				if len(limits) == 1 {
					return process.Result{ExitCode: needContent}
				}
				return process.Result{}
			}
			j := Job{Run: &wire.Run{Push: &wire.Push{Queue: "warren.file.alice.x", Manifest: []byte("{}")}}}
			j.Execute(t.Context(), run, process.Spec{Timeout: c.limit}, nil, nil)
			if want := []time.Duration{c.limit, c.second}; !slices.Equal(limits, want) {
				t.Errorf("the limits are %v, want %v", limits, want)
			}
		})
	}
}
