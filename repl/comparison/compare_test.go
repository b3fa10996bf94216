package comparison

import (
	"testing"

	"go.uber.org/goleak"

	"warren/repl/render"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFingerprintIsThatOfTheChangedLines(t *testing.T) {
	mark := func(before, after string) fingerprint {
		t.Helper()
		text, err := render.Diff("a", "b", before, after)
		if err != nil {
			t.Fatal(err)
		}
		return fingerprintOf(text)
	}
	upgrade := mark("a\nx 1\nb\n", "a\nx 2\nb\n")
	for name, same := range map[string]fingerprint{
		"other neighbors":     mark("c\nx 1\nd\n", "c\nx 2\nd\n"),
		"at another position": mark("1\n2\n3\n4\n5\n6\nx 1\n", "1\n2\n3\n4\n5\n6\nx 2\n"),
	} {
		if same != upgrade {
			t.Errorf("%s: the fingerprints of the same change differ", name)
		}
	}
	for name, other := range map[string]fingerprint{
		"other lines":    mark("x 1\n", "x 3\n"),
		"one line more":  mark("x 1\n", "x 2\ny\n"),
		"the other way":  mark("x 2\n", "x 1\n"),
		"only removed":   mark("x 1\n", ""),
		"no change":      mark("x 1\n", "x 1\n"),
		"lines of minus": mark("--- x 1\n", "+++ x 2\n"),
	} {
		if other == upgrade {
			t.Errorf("%s: the fingerprints of two changes are equal", name)
		}
	}
	if mark("x\n", "x\n") != (fingerprint{}) {
		t.Error("equal texts have a fingerprint")
	}
}
