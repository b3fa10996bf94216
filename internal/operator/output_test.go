package operator

import (
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An archive that arrives slowly is awaited as long as it arrives.
func TestAskWaitsWhileOutputArrives(t *testing.T) {
	for _, c := range []struct {
		name        string
		size        int64
		every, want time.Duration
		gone        bool
	}{
		{"slowly", 10, 900 * time.Millisecond, 9 * time.Second, false},
		{"for days", 1 << 20, 900 * time.Millisecond, 30 * time.Second, false},
		{"more than a host can have", 1 << 53, 900 * time.Millisecond, time.Second, false},
		{"large, at a good pace", 250_000, 100 * time.Microsecond, 25 * time.Second, false},
		{"not at all", 10, time.Hour, time.Second, false},
		{"the agent has no more", 10, time.Hour, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				read := func() ([]model.Job, error) {
					kept := min(c.size, int64(time.Since(begin)/c.every))
					return []model.Job{{State: model.Ended, Outcome: wire.Exited, Stdout: model.Output{Size: c.size, Kept: kept, Gone: c.gone}}}, nil
				}
				if err := awaitOutput(t.Context(), read, time.Second); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < c.want || took > c.want+2*outputInterval {
					t.Errorf("it waited %v, want %v", took, c.want)
				}
			})
		})
	}
}
