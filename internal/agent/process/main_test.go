//go:build unix

package process_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/agent/process"
)

// childMode makes this test binary act as a misbehaving child process.
const childMode = "WARREN_PROCESS_CHILD"

// noCgroups disables cgroups in this program and its children.
const noCgroups = "WARREN_PROCESS_NO_CGROUPS"

func TestMain(m *testing.M) {
	if os.Getenv(noCgroups) != "" {
		process.WithoutCgroups()
	}
	if os.Getenv(childMode) != "" {
		beChild()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		process.SweepCgroups()
		os.Exit(status)
	}))
}
