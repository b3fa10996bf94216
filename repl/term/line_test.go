package term

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	r := bufio.NewReader(strings.NewReader("a\n\r\n" + long + "\nb\r\nc\rd"))
	for _, want := range []string{"a", "", long, "b", "c\rd"} {
		if got, err := ReadLine(r); err != nil || got != want {
			t.Fatalf("%.20q (%d), %v; want %.20q", got, len(got), err, want)
		}
	}
	if _, err := ReadLine(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}
