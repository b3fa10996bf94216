package taskref

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPositions(t *testing.T) {
	for word, want := range map[string]bool{
		"-1": true, "-2": true, "-12": true, "-0": false, "-": false, "--1": false, "1": false, "-1b4e": false, "-999999": false,
	} {
		if got := isPosition(word); got != want {
			t.Errorf("%q: %v, want %v", word, got, want)
		}
	}
}
