package results

import (
	"strconv"
	"strings"
	"testing"
)

// maxPieces is a promise of docs/security.md.
const maxPieces = 4096

// Output that comes byte by byte does not cost a row for each byte. With a gap after each
// byte, the number of rows is bounded.
func TestOutputInSmallChunks(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	task.MaxOutput = 1 << 20
	s.add(t, task, jobs)
	j := jobs[0]
	rows := func() int {
		t.Helper()
		n, err := strconv.Atoi(queryRaw(t, s.dir, "SELECT count(*) FROM output"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	want := strings.Repeat("ab\x00\xff\n", 2000)
	var us []Update
	for i := range len(want) {
		us = append(us, Update{Job: j.ID, Reply: output(j, "stdout", int64(i), want[i:i+1])})
	}
	s.apply(t, us...)
	if got := s.text(t, j, "stdout"); got != want {
		t.Errorf("%d bytes are read back, want %d", len(got), len(want))
	}
	if n := rows(); n != 1 {
		t.Errorf("%d rows", n)
	}
	us = nil
	for i := range 2 * maxPieces {
		us = append(us, Update{Job: j.ID, Reply: output(j, "stderr", int64(2*i), "x")})
	}
	s.apply(t, us...)
	if n := rows(); n != 1+maxPieces {
		t.Errorf("%d rows, want %d", n, 1+maxPieces)
	}
	if got := s.job(t, j).Stderr.Kept; got != maxPieces {
		t.Errorf("%d bytes are said to be kept", got)
	}
	if got := s.counters(t).Refused; got != maxPieces {
		t.Errorf("%d bytes are said to be refused", got)
	}
}
