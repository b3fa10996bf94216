//go:build unix

package process_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childMode makes this binary an ill-behaved child instead of a test.
const childMode = "WARREN_PROCESS_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		beChild()
		return
	}
	goleak.VerifyTestMain(m)
}
