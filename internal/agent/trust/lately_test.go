package trust

import (
	"fmt"
	"testing"
)

// What was found good is good again; nothing else is, however alike.
func TestLately(t *testing.T) {
	var m memory
	m.add(pair("statement", "signature"))
	if !m.has(pair("statement", "signature")) {
		t.Error("what was good is not remembered")
	}
	for _, other := range [][2]string{{"statement", "signaturf"}, {"statementsignature", ""}, {"statements", "ignature"}, {"statement\x00", "signature"}} {
		if m.has(pair(other[0], other[1])) {
			t.Errorf("%q was taken for it", other)
		}
	}
	for i := range latelySize {
		m.add(pair(fmt.Sprint(i), ""))
	}
	if m.has(pair("statement", "signature")) || len(m.good) != latelySize {
		t.Errorf("%d are remembered", len(m.good))
	}
}
