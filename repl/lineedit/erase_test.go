package lineedit

import "testing"

func TestErasureWithoutEscapeSequences(t *testing.T) {
	for _, c := range []struct {
		sequences bool
		columns   int
		want      string
	}{{true, 5, "\r\x1b[K"}, {false, 5, "\r    \r"}, {false, 0, "\r\r"}} {
		if got := erasure(c.sequences, c.columns); got != c.want {
			t.Errorf("%v, %d columns: %q, want %q", c.sequences, c.columns, got, c.want)
		}
	}
}
