package filestream

import (
	"runtime/debug"
	"testing"
)

func TestGarbageIsAllowedWhileAnyContentIsReceived(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	want := func(when string, percent int) {
		t.Helper()
		got := debug.SetGCPercent(50)
		debug.SetGCPercent(got)
		if got != percent {
			t.Errorf("%s: %d %%, want %d", when, got, percent)
		}
	}
	first, second := allowGarbage(), allowGarbage()
	want("two receive", receivingGCPercent)
	first()
	want("one receives", receivingGCPercent)
	second()
	want("none receives", 50)
	t.Setenv("GOGC", "100")
	defer allowGarbage()()
	want("with GOGC", 50)
}
